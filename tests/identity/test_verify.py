"""Credentials over time: tests/races/test_revocation.py (the cache), tests/security/test_matrix.py (each kind)."""
