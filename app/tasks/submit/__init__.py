"""Accepting new tasks: from what a caller asks for to rows that are committed."""
