"""The changes that a tenant may make in a day: tests/accounts/test_bounds_of_keys.py has the proof over HTTP."""
