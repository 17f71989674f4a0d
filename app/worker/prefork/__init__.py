"""The prefork pool: child processes, each of which runs one attempt at a time, and a main process that watches them."""
