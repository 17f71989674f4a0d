"""The clients that tenants install from a running api: archives that a command has built before."""
