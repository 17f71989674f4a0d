"""Parts that every room may use. They know no room and no HTTP."""
