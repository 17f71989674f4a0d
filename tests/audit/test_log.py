"""The audit log: tests/accounts/test_audit.py over HTTP, tests/races/test_lists.py for what a page reads."""
