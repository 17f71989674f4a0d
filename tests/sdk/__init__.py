"""The generated SDKs, as their users get them."""
