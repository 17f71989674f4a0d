"""The code of a Celery worker: both pools, and what they share."""
