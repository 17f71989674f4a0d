"""The dispatcher: it starts scheduled tasks and retries, repairs what was lost, and deletes what is old."""
