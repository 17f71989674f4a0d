"""Requests to URLs that tenants choose: which are allowed, how they are signed, and how they are sent."""
