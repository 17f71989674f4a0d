"""The call for the audit log: tests/accounts/test_audit.py."""
