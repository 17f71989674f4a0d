"""The audit log: every change of keys, members and tenants, with who made it."""
