"""Serve the clients: ``/clients/python``, ``/clients/typescript``, and the archives below them."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.clients.archives import Archives, ClientPackage
from app.core.config import get_settings
from app.core.errors import NotFound
from app.http.etags import has_etag

# A build replaces the files, so a cache must ask each time whether its copy is current.
_CACHE: Final = {"Cache-Control": "public, no-cache", "X-Content-Type-Options": "nosniff"}
_TYPES: Final = {"whl": "application/zip", "gz": "application/gzip", "tgz": "application/gzip"}
_NOT_BUILT: Final = (
    "The clients have not been built on this server. Its operator builds them with `scripts/admin clients build`; "
    "`scripts/sdk --document openapi.json` makes the same ones from /openapi.json."
)


def routes() -> list[Route]:
    """Return the routes; they read the folder of the settings."""
    archives = Archives(get_settings().clients_folder)

    async def index(request: Request) -> Response:
        return _index(request, _package(archives, request.path_params["language"]))

    async def archive(request: Request) -> Response:
        return _archive(request, _package(archives, request.path_params["language"]))

    return [
        Route("/clients/{language}", index, include_in_schema=False),
        Route("/clients/{language}/{file}", archive, include_in_schema=False),
    ]


def _package(archives: Archives, language: str) -> ClientPackage:
    found = archives.packages()
    if not found:
        raise NotFound(_NOT_BUILT)
    if language not in found:
        raise NotFound(f"There is a client for each of these: {', '.join(sorted(found))}.")
    return found[language]


def _index(request: Request, package: ClientPackage) -> Response:
    base = f"{request.scope.get('root_path', '').rstrip('/')}/clients/{request.path_params['language']}"
    files = [
        {"url": f"{base}/{archive.name}", "size": len(archive.body), "sha256": archive.sha256}
        for archive in package.archives
    ]
    return JSONResponse({"name": package.name, "version": package.version, "files": files}, headers=_CACHE)


def _archive(request: Request, package: ClientPackage) -> Response:
    for archive in package.archives:
        if archive.name == request.path_params["file"]:
            break
    else:
        current = ", ".join(archive.name for archive in package.archives)
        raise NotFound(f"There is no such file: the current ones are {current}.")
    etag = f'"{archive.sha256[:32]}"'
    headers = {"ETag": etag, **_CACHE}
    if has_etag(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(archive.body, headers=headers, media_type=_TYPES[archive.name.rpartition(".")[2]])
