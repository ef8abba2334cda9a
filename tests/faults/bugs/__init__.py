"""Patches that each take one protection out of Attune; `make bugs` shows that a test notices."""
