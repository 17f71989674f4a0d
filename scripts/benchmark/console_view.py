"""How long a browser takes until it shows a page for the first time, with nothing in its cache."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence

from scripts.benchmark import percentiles
from scripts.stack.stackfile import Stack

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_VIEWS = 3
_PAINT = """() => new Promise(resolve => new PerformanceObserver(list => {
    const found = list.getEntriesByName("first-contentful-paint");
    if (found.length) resolve(found[0].startTime);
}).observe({type: "paint", buffered: true}))"""


def report(stack: Stack, paths: Sequence[str], cookies: Sequence[str], target: float) -> Iterator[str]:
    """Yield a table with the median of some first views of each page."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        yield "\nFirst view: not measured, because there is no Chromium."
        return
    # Only here: whoever measures nothing of a browser needs none.
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    yield f"\nFirst view in Chromium, empty cache, ms (target: at most {target:.0f}); median of {_VIEWS} [range]\n"
    yield "| page | first view | |"
    yield "|---|---|---|"
    # A folder of its own, short enough for the names of sockets: Chromium leaves files behind.
    with tempfile.TemporaryDirectory(prefix="tq") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            env={**os.environ, "TMPDIR": folder},
        )
        for path in paths:
            times = []
            for number in range(_VIEWS):
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                cookie = cookies[number % len(cookies)]
                context.add_cookies([{"name": "console", "value": cookie, "url": f"{stack.api_url}/console"}])
                page = context.new_page()
                page.goto(f"{stack.api_url}/console{path}")
                times.append(float(page.evaluate(_PAINT)))
                context.close()
            median = percentiles.median(times)
            name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", f"/console{path}")
            cells = f"{median:.0f} [{min(times):.0f}-{max(times):.0f}] | {'met' if median <= target else '**missed**'}"
            yield f"| `{name}` | {cells} |"
        browser.close()
