"""Consent episodes: open, suspended, ended; holds; discards."""
