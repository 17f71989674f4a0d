"""Issue and revoke credentials: API keys, members with passwords, and access tokens. ``identity`` checks them."""
