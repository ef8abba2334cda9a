"""Takes recordings in: resumable, checked, sealed."""
