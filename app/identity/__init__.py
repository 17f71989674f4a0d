"""Check credentials and permissions on every call. ``accounts`` issues and revokes them."""
