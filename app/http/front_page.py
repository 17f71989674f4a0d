"""Answer ``/`` and ``/llms.txt``: lead a person to the console, and tell programs where the API is described."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from app.core.config import get_settings
from app.http.reference import PATH as DOCS
from app.http.version import API_VERSION


async def _answer(request: Request) -> Response:
    root = request.scope.get("root_path", "")
    has_console = get_settings().console == "on"
    if has_console and _is_person(request.headers.get("accept", "")):
        return RedirectResponse(f"{root}/console", 303, headers={"Vary": "Accept"})
    links = {"openapi": f"{root}/openapi.json", "docs": f"{root}{DOCS}"}
    if _has_guide():
        links["guide"] = f"{root}/guide/"
    if has_console:
        links["console"] = f"{root}/console"
    return JSONResponse({"name": "Task Queue Worker API", "version": API_VERSION, **links}, headers={"Vary": "Accept"})


def _is_person(accepted: str) -> bool:
    """Return whether the Accept header of a request names HTML, as that of every browser does."""
    return any(part.partition(";")[0].strip().lower() == "text/html" for part in accepted.split(","))


async def _for_agents(request: Request) -> Response:
    root, settings = request.scope.get("root_path", ""), get_settings()
    lines = [
        "# Task Queue Worker API",
        "",
        "> Submit long-running tasks, follow them, fetch results. Accepted means it will finish.",
        "",
        "Send an API key as `Authorization: Bearer …` with every call. Every error has a stable `code`.",
        "",
        f"- [API document]({root}/openapi.json): every call, with the task types of this service (OpenAPI 3.1)",
        f"- [Who am I]({root}/api/me): your tenant, scopes and limits",
        f"- [Task types]({root}/api/task-types): names and JSON schemas of payloads and results",
        f"- [Errors]({root}/problems): when each happens and what to do (`Accept: text/markdown`)",
    ]
    if _has_guide():
        lines.append(f"- [Guide]({root}/guide/llms.txt): the pages of the documentation, as Markdown")
    if settings.mcp == "on":
        lines.append(f"- [Model Context Protocol]({root}/mcp): each task type as a tool")
    return PlainTextResponse("\n".join([*lines, ""]))


def _has_guide() -> bool:
    """Return whether the guide is served and has been built: nobody is sent to a page that is not there."""
    settings = get_settings()
    return settings.guide == "on" and (settings.guide_folder / "llms.txt").is_file()


ROUTES: Final = (
    Route("/", _answer, include_in_schema=False),
    Route("/llms.txt", _for_agents, include_in_schema=False),
)
