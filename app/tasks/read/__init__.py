"""Read tasks: their status, attempts, results and lists."""
