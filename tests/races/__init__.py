"""Sessions that meet: real commits, many at once, on a database of the run's own."""
