"""The life of a tenant: tests/admin/test_commands.py, and tests/admin/test_offboarding.py for its end."""
