"""Limit the rate, quotas and backlog of each tenant, and count its usage."""
