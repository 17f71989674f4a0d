"""The errors of a tenant's tasks: failed attempts that are alike, counted, resolved, ignored and retried together."""
