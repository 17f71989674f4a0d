"""Schedules: tasks that the service submits by itself, by a cron expression or at an interval."""
