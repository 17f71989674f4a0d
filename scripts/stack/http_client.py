"""One HTTP call to our own API."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit


def call(url: str, *, body: object = None, key: str | None = None, seconds: float = 40.0) -> tuple[int, dict[str, Any]]:
    """Send a GET, or a POST with a JSON body; returns the status and the JSON object. No answer is an OSError."""
    where = urlsplit(url)
    # Not urllib: the loopback must not go through a proxy of the environment.
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=seconds)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    path = f"{where.path}?{where.query}" if where.query else where.path
    try:
        if body is None:
            connection.request("GET", path, headers=headers)
        else:
            headers["Content-Type"] = "application/json"
            connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, _object(response.read())
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
