"""The calls for limits and usage: tests/quotas/test_quotas.py."""
