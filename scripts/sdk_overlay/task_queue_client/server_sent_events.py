"""Read server-sent events from bytes, as the HTML standard says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A text in the data may contain other separators of lines (U+2028): only these end a line of the stream.
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Message:
    """One block of the stream."""

    id: str | None
    data: str | None


class Parser:
    """Takes the bytes as they come, and gives the blocks that are complete."""

    def __init__(self) -> None:
        """Begin at the start of a stream."""
        self._rest = b""
        self._id: str | None = None
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Yield the blocks that these bytes complete."""
        *lines, self._rest = self._lines(self._rest + chunk)
        for line in lines:
            if line:
                self._take(line)
            elif self._id is not None or self._data:
                yield Message(self._id, "\n".join(self._data) if self._data else None)
                self._id, self._data = None, []

    def _lines(self, text: bytes) -> list[bytes]:
        # The last CR may be the first half of a CRLF.
        if text.endswith(b"\r"):
            return [*_END_OF_LINE.split(text[:-1])[:-1], _END_OF_LINE.split(text[:-1])[-1] + b"\r"]
        return _END_OF_LINE.split(text)

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode(errors="replace")
        if name == b"id":
            self._id = text
        elif name == b"data":
            self._data.append(text)
