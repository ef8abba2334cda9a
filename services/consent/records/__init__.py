"""The rights conversation, consent records and their evidence."""
