"""The task type http_request: it calls a tenant's own endpoint, in a worker process without the operator's code."""
