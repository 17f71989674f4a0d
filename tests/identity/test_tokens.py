"""Signed and hostile tokens: tests/security/test_tokens.py, and tests/identity/test_keyring.py for their keys."""
