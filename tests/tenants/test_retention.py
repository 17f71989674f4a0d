"""The time that ended tasks are kept: tests/security/test_walls.py (in the database), tests/dispatch (pruning)."""
