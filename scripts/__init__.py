"""The commands of this checkout."""
