"""The endpoints of tenants: URLs that get events, their secrets, headers and tests, and the calls that manage them."""
