"""Families, the people filmed, and the care team."""
