"""Revoked tokens are refused: tests/accounts/test_tokens.py over HTTP, tests/races/test_revocation.py in time."""
