"""Whether the service can do its work, and whether one process does."""
