"""The deliveries as their tenant sees them: lists, attempts, what became of a task's events, and their metrics."""
