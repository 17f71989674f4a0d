"""API keys and, later, members and tokens."""
