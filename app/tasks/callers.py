"""Describe the client that waits for a result, for ``Reading``."""

from functools import partial

from starlette.requests import Request

from app.identity.dependencies import authenticate_again
from app.tasks.reading import Caller


def waiting_caller(request: Request) -> Caller:
    """Return the caller of a request that may wait for up to 30 s."""
    return Caller(partial(authenticate_again, request), partial(_gone, request))


async def _gone(request: Request) -> None:
    # Other messages are parts of a body, which has no meaning in a GET request.
    while (await request.receive())["type"] != "http.disconnect":
        pass
