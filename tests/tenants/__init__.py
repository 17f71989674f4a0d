"""Tenants: the pure plans, and the rows that must agree."""
