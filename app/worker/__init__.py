"""The code of a Celery worker: the two pools, and the modules that both of them use."""
