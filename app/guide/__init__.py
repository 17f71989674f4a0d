"""The documentation site, which ``scripts/guide`` has built before."""
