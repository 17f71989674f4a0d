"""Accept new tasks: from the caller's request to committed rows."""
