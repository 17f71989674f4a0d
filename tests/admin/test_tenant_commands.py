"""The commands of this group: tests/admin/test_commands.py."""
