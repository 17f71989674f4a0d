"""Builds the clients that the api of the stack serves, from the document that it serves."""

import os
from http import HTTPStatus
from pathlib import Path

from scripts import client_archives
from scripts.stack import http_client
from scripts.stack.console import complain
from scripts.stack.stackfile import Stack


def folder(stack: Stack) -> Path:
    """Name the folder from which the api serves them."""
    return Path(os.environ.get("CLIENTS_FOLDER") or stack.data_dir / "clients").absolute()


def build(stack: Stack) -> None:
    """Build them. A stack without its clients runs all the same, so what goes wrong is only said."""
    if os.environ.get("CLIENTS") == "off":
        return
    try:
        status, document = http_client.call(f"{stack.api_url}/openapi.json")
        if status == HTTPStatus.OK:
            client_archives.build(document, folder(stack))
            return
        complain(f"the clients were not built: /openapi.json answers {status}")
    except OSError as error:
        complain(f"the clients were not built: {error}")
