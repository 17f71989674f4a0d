"""The operator's commands, as processes against a real database."""
