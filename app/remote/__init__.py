"""Tenants' own workers: their task types, and the calls that lease and end tasks. A face on ``tasks.run``."""
