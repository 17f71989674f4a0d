"""Setting up a database: tests/admin/test_commands.py (bootstrap, migrate), tests/contract/test_migrations.py."""
