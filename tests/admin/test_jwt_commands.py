"""The commands of this group: tests/admin/test_account_commands.py."""
