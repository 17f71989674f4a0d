"""Serve ``/guide``: the pages that ``scripts/guide`` has built. No request ever builds them."""

from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.core.config import get_settings
from app.core.errors import NotFound

PATH: Final = "/guide"
_NOT_BUILT: Final = (
    "The guide has not been built on this server. Its operator builds it with `scripts/guide`; no restart is needed."
)
_NO_PAGE: Final = "The guide has no such page. It begins at `/guide/`, and `/guide/llms.txt` lists its pages."
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # A build replaces the files, so a browser must ask each time whether its copy is current.
    "Cache-Control": "public, no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><main><h1>{title}</h1><p>{text}</p></main></html>
"""


class _Guide(StaticFiles):
    """The files of the guide, with the headers of its pages."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet: the folder may be made later."""
        super().__init__(directory=folder, html=True, check_dir=False)
        self._index = folder / "index.html"
        # Otherwise a request before the first build would be an error.
        self.config_checked = True

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or say what is missing: to a person as a page, to a program as a problem."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                raise
            return self._missing(Request(scope))
        if isinstance(response, RedirectResponse):
            # To a folder with its slash. Only the path: which scheme and host the caller used, a proxy may hide.
            response.headers["Location"] = urlsplit(response.headers["Location"]).path
        response.headers.update(_HEADERS)
        return response

    def _missing(self, request: Request) -> Response:
        text = _NO_PAGE if self._index.exists() else _NOT_BUILT
        if "text/html" not in request.headers.get("accept", ""):
            raise NotFound(text)
        page = _PAGE.format(title="Not found" if text is _NO_PAGE else "Not built", text=escape(text))
        return HTMLResponse(page, 404, headers=_HEADERS | {"Vary": "Accept"})


async def _enter(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '').rstrip('/')}{PATH}/", 308)


def routes() -> list[BaseRoute]:
    """Return the routes; they read the folder of the settings."""
    return [Route(PATH, _enter, include_in_schema=False), Mount(PATH, _Guide(get_settings().guide_folder))]
