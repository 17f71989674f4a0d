"""``scripts/screenshots``: run a shop on a stack of its own, and take a picture of each page of the console."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from scripts.benchmark import accounts, console_fill, servers
from scripts.pictures import shop
from scripts.pictures.pages import DARK, PICTURES
from scripts.stack import parts
from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.interrupts import Interrupts
from scripts.stack.stackfile import Stack

FOLDER: Final = parts.ROOT / "docs" / "images"
MAX_BYTES: Final = 150_000
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_WIDTH: Final = 1180
_HEIGHT: Final = 720


def main() -> int:
    """Take the pictures."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        complain("no Chromium: install the package chromium, or name a binary in CHROMIUM")
        return 1
    Interrupts().install()
    try:
        with servers.ours(modules="scripts.pictures.task_types") as stack:
            account = accounts.create(stack, "corner-shop", "pro")
            ids, receiver = shop.open_shop(stack, account)
            try:
                [cookie] = console_fill.sign_in(stack.database_url or "", account.tenant_id, 1, "ann@example.com")
                _take_all(stack, program, cookie, ids)
            finally:
                receiver.shutdown()
    except StackError as error:
        complain(str(error))
        return 1
    return 0


def _take_all(stack: Stack, program: str, cookie: str, ids: dict[str, str]) -> None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 the stack's own processes need no browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": _WIDTH, "height": _HEIGHT}, timezone_id="Europe/Berlin", reduced_motion="reduce"
            )
            url = f"{stack.api_url}/console"
            context.add_cookies([{"name": "console-theme", "value": theme, "url": url}])
            for under, name in PICTURES.items():
                if theme == "dark" and name not in DARK:
                    continue
                if under != "/sign-in":
                    context.add_cookies([{"name": "console", "value": cookie, "url": url}])
                else:
                    context.clear_cookies(name="console")
                _take(
                    context.new_page(),
                    f"{url}{under.format(**ids)}",
                    FOLDER / f"{name}{'-dark' * (theme == 'dark')}.png",
                )
        browser.close()


def _take(page: Any, url: str, file: Path) -> None:
    page.goto(url)
    page.locator("h1").wait_for()
    page.screenshot(path=str(file))
    page.close()
    say(f"{file.relative_to(parts.ROOT)}: {file.stat().st_size // 1000} KB")
    if file.stat().st_size > MAX_BYTES:
        message = f"{file.name} has more than {MAX_BYTES // 1000} KB"
        raise StackError(message)


if __name__ == "__main__":
    sys.exit(main())
