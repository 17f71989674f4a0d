"""The asyncio pool: one process, whose event loop runs many attempts at once."""
