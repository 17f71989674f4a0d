"""The console: web pages for people. It calls the functions that the routers call, and has no SQL of its own."""
