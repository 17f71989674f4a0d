"""Who waits for a result, as a request tells it."""

from functools import partial

from starlette.requests import Request

from app.identity.dependencies import authenticate_again
from app.tasks.reading import Caller


def waiting_caller(request: Request) -> Caller:
    """Return the caller of a request that may last."""
    return Caller(partial(authenticate_again, request), partial(_gone, request))


async def _gone(request: Request) -> None:
    # What comes before it is the rest of a body, which no read has.
    while (await request.receive())["type"] != "http.disconnect":
        pass
