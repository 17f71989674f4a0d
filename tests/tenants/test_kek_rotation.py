"""Rotating the key-encryption key: tests/webhooks/test_kek_rotation.py, with deliveries that go on meanwhile."""
