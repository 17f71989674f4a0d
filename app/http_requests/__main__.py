"""The worker of http_request: ``python -m app.http_requests``."""

from app.http_requests import process

process.run()
