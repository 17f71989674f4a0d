"""What happens off the path of a task that can run now: schedules, retries, repair, pruning."""
