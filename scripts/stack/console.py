"""What the commands say: plain lines, and one live line where there is a terminal."""

import contextlib
import sys
import time


def say(text: str) -> None:
    """Print a line at once: whoever pipes the output must not wait for it."""
    # A closed terminal must not keep us from stopping what we started.
    with contextlib.suppress(OSError):
        print(text, flush=True)


def complain(text: str) -> None:
    """Print an error line."""
    print(f"error: {text}", file=sys.stderr, flush=True)


class LiveLine:
    """A line that is rewritten in place; without a terminal, a new line when it is due."""

    def __init__(self, every_seconds: float = 10.0) -> None:
        """Without a terminal, lines come at most ``every_seconds``."""
        self._is_terminal = sys.stdout.isatty()
        self._every = every_seconds
        self._printed_at = 0.0
        self._text = ""

    def show(self, text: str) -> None:
        """Show the text; a log gets it only now and then."""
        if text == self._text:
            return
        if self._is_terminal:
            print(f"\r\033[K{text[:110]}", end="", flush=True)
            self._text = text
        elif time.monotonic() - self._printed_at >= self._every:
            say(text)
            self._text, self._printed_at = text, time.monotonic()

    def end(self, text: str = "") -> None:
        """Replace the line by its last text, if any."""
        if self._is_terminal:
            print("\r\033[K", end="", flush=True)
        if text:
            say(text)
