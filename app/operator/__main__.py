"""Serve the operator's pages: ``python -m app.operator``."""

import argparse
import sys

import uvicorn

from app.core import logging as structured_logging
from app.core.config import get_settings
from app.http.protocol_limits import GuardedProtocol
from app.operator.process import create_app


def main(arguments: list[str]) -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(prog="python -m app.operator", description="Serve the operator's pages.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--root-path", default="", help="the prefix under which a proxy serves these pages")
    parser.add_argument(
        "--console-url",
        default="http://127.0.0.1:8000",
        help="where browsers reach the api, whose console shows tenants",
    )
    parser.add_argument("--forwarded-allow-ips", help="addresses of proxies whose X-Forwarded headers are believed")
    asked = parser.parse_args(arguments)
    settings = get_settings()
    structured_logging.configure(settings.log_level, service="operator")
    uvicorn.run(
        create_app(asked.console_url),
        host=asked.host,
        port=asked.port,
        root_path=asked.root_path,
        http=GuardedProtocol,
        loop="uvloop",
        # Logging is configured already, and uvicorn would replace it by its own.
        log_config=None,
        # The request log writes a line for each request, and uvicorn's would show queries.
        access_log=False,
        server_header=False,
        # Off unless proxies are named: a client could otherwise choose the address that the audit log shows.
        proxy_headers=bool(asked.forwarded_allow_ips),
        forwarded_allow_ips=asked.forwarded_allow_ips,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
