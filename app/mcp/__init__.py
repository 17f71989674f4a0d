"""Serve the task types as tools of the Model Context Protocol, for agents. Imported only where ``MCP=on``.

It calls the functions that the routers call, and keeps nothing between two requests.
"""
