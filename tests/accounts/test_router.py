"""The calls for keys and members: tests/accounts/test_keys_over_http.py and tests/accounts/test_members.py."""
