"""The dispatcher: it offers tickets for scheduled tasks and retries, ends lost attempts, and deletes old tasks."""
