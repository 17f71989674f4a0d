"""Serve the page of each kind of error: the ``type`` of a problem is the address of its page.

People get HTML, programs JSON or Markdown. A page needs nothing but itself, so it works without the internet.
"""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.core.errors import NotFound
from app.http.problem_texts import TEXTS, ProblemText

PREFIX: Final = "/problems"
_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;"
    "padding:0 1rem}code{font-family:ui-monospace,monospace}"
)
_POLICY: Final = (
    # The hash allows this one inline style, so that a page needs no second file and no looser policy.
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {"Vary": "Accept", "Cache-Control": "public, max-age=3600"}
_CODE: Final = re.compile(r"`([^`]+)`")


def address(code: str, root_path: str = "") -> str:
    """Return the address of the page of a code: the ``type`` of its problems."""
    return f"{root_path}{PREFIX}/{code}"


async def _page(request: Request) -> Response:
    code = request.path_params["code"]
    if (text := TEXTS.get(code)) is None:
        raise NotFound("There is no error with this code. GET /problems lists the codes.")
    kind = _wanted(request)
    if kind == "text/html":
        return _html(text.title, _paragraphs(code, text))
    if kind == "text/markdown":
        body = f"# {text.title}\n\nCode: `{code}`\n\n## When\n\n{text.when}\n\n## What to do\n\n{text.what_to_do}\n"
        return PlainTextResponse(body, headers=_HEADERS, media_type="text/markdown")
    described = {"type": address(code, _root(request)), "code": code, **text._asdict()}
    return JSONResponse(described, headers=_HEADERS)


async def _list(request: Request) -> Response:
    root, kind = _root(request), _wanted(request)
    if kind == "text/html":
        items = (f'<li><a href="{address(code, root)}"><code>{code}</code></a>' for code in TEXTS)
        return _html("Errors of the API", f"<ul>{''.join(items)}</ul>")
    if kind == "text/markdown":
        lines = (f"- [`{code}`]({address(code, root)}): {text.when}" for code, text in TEXTS.items())
        body = "\n".join(("# Errors of the API", "", *lines, ""))
        return PlainTextResponse(body, headers=_HEADERS, media_type="text/markdown")
    listed = [{"type": address(code, root), "code": code, "title": text.title} for code, text in TEXTS.items()]
    return JSONResponse({"items": listed}, headers=_HEADERS)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _wanted(request: Request) -> str:
    """Return the first of the media types that are served which the Accept header names; JSON if it names none."""
    for part in request.headers.get("accept", "").split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in {"text/html", "text/markdown", "application/json", "application/problem+json"}:
            return kind
    return "application/json"


def _html(title: str, content: str) -> Response:
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main><h1>{escape(title)}</h1>{content}</main></html>"
    )
    return HTMLResponse(page, headers=_HEADERS | {"Content-Security-Policy": _POLICY})


def _paragraphs(code: str, text: ProblemText) -> str:
    when, what_to_do = (_CODE.sub(r"<code>\1</code>", escape(part)) for part in (text.when, text.what_to_do))
    return f"<p>Code: <code>{code}</code></p><h2>When</h2><p>{when}</p><h2>What to do</h2><p>{what_to_do}</p>"


ROUTES: Final = (
    Route(PREFIX, _list, include_in_schema=False),
    Route(f"{PREFIX}/{{code}}", _page, include_in_schema=False),
)
