"""Serve ``/docs``, the reference of the API: Swagger UI over ``/openapi.json``, from files of our own.

The page loads nothing from another host, so it works offline and under a strict content security policy.
"""

from html import escape
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.http.assets import Assets

PATH: Final = "/docs"
FOLDER: Final = Path(__file__).with_name("reference_assets")
_ASSETS: Final = Assets(FOLDER)
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    # The page names the files of this version.
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API reference · Task Queue</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{assets}/{theirs}">
<link rel="stylesheet" href="{assets}/{ours}">
<script src="{assets}/{bundle}" defer></script>
<script src="{assets}/{start}" defer></script>
</head>
<body data-base="{base}">
<main id="reference">
<p>The reference is loading. <a href="{base}/openapi.json">The document that it shows</a> needs no script.</p>
</main>
</body>
</html>
"""


async def _page(request: Request) -> Response:
    base = escape(request.scope.get("root_path", "").rstrip("/"))
    text = _PAGE.format(
        base=base,
        assets=f"{base}{PATH}/assets",
        theirs=_ASSETS.hashed("swagger-ui.css"),
        ours=_ASSETS.hashed("reference.css"),
        bundle=_ASSETS.hashed("swagger-ui-bundle.js"),
        start=_ASSETS.hashed("reference.js"),
    )
    return HTMLResponse(text, headers=_HEADERS)


async def _asset(request: Request) -> Response:
    return _ASSETS.respond(request.path_params["name"]) or PlainTextResponse("Not found", 404)


ROUTES: Final = (
    Route(PATH, _page, include_in_schema=False),
    Route(f"{PATH}/assets/{{name}}", _asset, include_in_schema=False),
)
"""The page and its files."""
