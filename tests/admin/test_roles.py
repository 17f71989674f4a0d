"""The login roles: tests/security/test_walls.py for their rights, tests/admin/test_commands.py for several bootstraps."""
