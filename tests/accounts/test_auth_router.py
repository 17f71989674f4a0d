"""The calls that issue and revoke tokens: tests/accounts/test_tokens.py, tests/security/test_before_the_body.py."""
