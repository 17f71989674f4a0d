"""The process that delivers: ``python -m app.webhooks``."""

import asyncio
import signal

import uvloop

from app.core import logging as structured_logging
from app.core import open_files
from app.core.config import get_settings
from app.metrics import serving
from app.outbound import resolver
from app.webhooks.delivery import process


async def _main() -> None:
    structured_logging.configure(get_settings().log_level, service="webhooks")
    serving.start("webhooks")
    # A connection for each delivery in flight, with room for those that close slowly.
    open_files.raise_limit()
    resolver.bound_system_resolver()
    stopping = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopping.set)
    watching = asyncio.create_task(open_files.OpenFiles().run())
    await process.run(stopping)
    watching.cancel()


# It spends most of its time in sockets.
uvloop.run(_main())
