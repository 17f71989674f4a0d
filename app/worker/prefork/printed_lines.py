"""Turn what a task's code prints into lines of its log, while the code runs on the main thread of a child."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# Characters of a line that has no end yet. Beyond them it is taken as a line, so that it does not fill the memory.
_MAX_LINE = 8_192


class _Lines(io.TextIOBase):
    """A text stream that hands each complete line to a function."""

    def __init__(self, line: Callable[[str], None], original: TextIO) -> None:
        self._line, self._original = line, original
        self._rest = ""
        self._is_closed_to_code = False

    def write(self, text: str) -> int:
        if self._is_closed_to_code:
            # A thread that the code left behind still has this stream.
            return self._original.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > _MAX_LINE:
            self.end_line()
        return len(text)

    def end_line(self) -> None:
        rest, self._rest = self._rest, ""
        if rest:
            self._line(rest)

    def release(self) -> None:
        self.end_line()
        self._is_closed_to_code = True

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        # What the code starts as a process writes to the worker's own output.
        return self._original.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


@contextmanager
def captured(line: Callable[[str], None]) -> Iterator[None]:
    """Hand each line that is printed to ``line``, also those of threads that the code has started."""
    original = sys.stdout
    lines = _Lines(line, original)
    sys.stdout = lines
    try:
        yield
    finally:
        # The code may have replaced the stream itself.
        sys.stdout = original
        lines.release()
