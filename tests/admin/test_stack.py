"""The stack that a command acts on: tests/admin/test_commands.py tries the environment, .env and --data-dir."""
