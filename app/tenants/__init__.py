"""Tenants: their life cycle, plans, limits, retention and webhook secrets."""
