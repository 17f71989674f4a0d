"""Webhooks: an event is written with the task's end, then signed and delivered by a process of its own."""
