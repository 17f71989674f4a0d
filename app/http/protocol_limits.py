"""Limit the time and size of requests as they are read: ``uvicorn --http app.http.protocol_limits:GuardedProtocol``.

uvicorn itself waits without end for the rest of a request, and accepts headers of any size.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.core.ids import new_id
from app.http import long_poll, problem_pages, response_writer, upgrade_offer, whole_answer
from app.http.event_stream import EventStream
from app.http.problem_texts import TEXTS
from app.http.response_writer import Writer
from app.http.unread_body import UnreadBody
from app.http.version import API_VERSION
from app.http.write_deadline import WriteDeadline

HEAD_SECONDS: Final = 5.0
"""Seconds from the first byte (or from the begin of the connection) to the end of the headers."""
BODY_SECONDS: Final = 10.0
"""Seconds from the end of the headers to the end of the body."""
MAX_HEADERS: Final = 64
MAX_HEAD_BYTES: Final = 16_384
MAX_URL_BYTES: Final = 8_192

_FRAMING: Final = frozenset({b"connection", b"content-length", b"transfer-encoding"})
"""Headers that decide where a request ends. The parser obeys them even as trailers, after a body."""

_CODES: Final = {
    400: "bad_request",
    408: "request_timeout",
    414: "request_uri_too_long",
    431: "request_header_fields_too_large",
}
_DETAILS: Final = {
    HTTPStatus.BAD_REQUEST: "The request is not valid HTTP/1.1 (RFC 9112). Correct it, or use an HTTP library.",
    HTTPStatus.REQUEST_TIMEOUT: f"The headers did not arrive within {HEAD_SECONDS:g} s. Send them without a pause.",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"The URL is longer than {MAX_URL_BYTES} bytes. Shorten it.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: f"Send at most {MAX_HEADERS} headers of {MAX_HEAD_BYTES} bytes in all.",
}


class _LimitExceeded(Exception):  # noqa: N818 it only ends the parsing
    """The request exceeds a bound. ``GuardedProtocol._refusal`` has the status of the answer."""


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines and bounds on headers. A refusal is a problem, and closes the connection."""

    _deadline: asyncio.TimerHandle | None = None
    _awaited: str | None = None
    """The part of a request that is being received: ``head``, ``body``, or None between two requests."""
    _armed: str | None = None
    """The part for which ``_deadline`` runs."""
    _head_bytes = 0
    _header_bytes = 0
    _trailers = 0
    _hosts = 0
    _offers_upgrade = False
    """The head that was just read offers another protocol. The offer is ignored."""
    _refusal = HTTPStatus.BAD_REQUEST
    _begun: tuple[RequestResponseCycle, Any] | None = None
    """A request whose head was just read, and its application. It starts once all data that arrived is parsed."""
    _is_parsing = False
    _answered: RequestResponseCycle
    """The request that is being answered now. ``cycle`` may be a later one."""

    def connection_made(self, transport: Any) -> None:
        """Start the deadline for the head of the first request."""
        self._writer = Writer(transport)
        self._write_deadline = WriteDeadline(transport, self.loop)
        super().connection_made(self._writer)  # type: ignore[arg-type]  # it has a transport's methods
        self._unread = UnreadBody(self.flow, self.loop)
        self._extensions = {whole_answer.NAME: self._write_whole}
        self._answer_now = getattr(self.app, "answer_now", None)
        self._awaited = "head"
        self._arm()

    def shutdown(self) -> None:
        """End streams and polls when the server stops: they would run on until it gives up waiting for them."""
        EventStream.end_all()
        long_poll.end_all()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers of the connection."""
        self._awaited = None
        self._arm()
        self._write_deadline.end()
        self._unread.end()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the deadline for a client that does not read its answer."""
        super().pause_writing()
        self._write_deadline.begin()

    def resume_writing(self) -> None:
        """Stop the deadline: everything is sent."""
        self._write_deadline.end()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse the data, then start the deadline of an unfinished request. A complete one needs no timer."""
        if self._awaited is None:
            self._awaited = "head"
        if self._awaited == "head":
            self._head_bytes += len(data)
        self._is_parsing = True
        self._feed(data)
        self._is_parsing = False
        if self._begun is not None:
            self._begin(*self._begun)
        # The parser reports a header only when it ends, so a single endless header would pass every other bound.
        if self._awaited == "head" and self._head_bytes > MAX_HEAD_BYTES + MAX_URL_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        self._arm()

    def _feed(self, data: bytes) -> None:
        """Parse as uvicorn does. After an offer of another protocol, parse the request again without the offer."""
        self._unset_keepalive_if_required()
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    data = b""
                except httptools.HttpParserUpgrade as offer:
                    data = self._without_offer() + data[offer.args[0] :]
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start to answer a request: at once if it waited for the one before it, else when its data is parsed."""
        cycle.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # ours has no place in the type
        self._answered = cycle
        if self._is_parsing:
            self._begun = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a request that is complete and needs no ``await``. Every other one gets an asyncio task."""
        self._begun = None
        is_complete = not cycle.more_body and not cycle.body and not self.transport.is_closing()
        if is_complete and self._answer_now is not None and self._answer_now(cycle.scope):
            cycle.on_response = _nothing  # as uvicorn does, because it refers to this object
        else:
            super()._start_asgi_task(cycle, app)

    def _write_whole(self, status: int, headers: whole_answer.Headers, body: bytes) -> bool:
        """Write the response to the request that is being answered; the extension ``whole_answer``."""
        cycle = self._answered
        if self.flow.write_paused:
            return False
        if not cycle.disconnected:
            close = () if cycle.keep_alive else ((b"connection", b"close"),)
            head = response_writer.head(status, (*cycle.default_headers, *headers, *close))
            cycle.response_started = cycle.response_complete = True
            cycle.waiting_for_100_continue = False
            cycle.message_event.set()
            self._writer.write_whole(head, body)
            if not cycle.keep_alive:
                self.transport.close()
            cycle.on_response()
        return True

    def _without_offer(self) -> bytes:
        head = upgrade_offer.without_offer(
            self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
        )
        self._offers_upgrade = False
        # The old parser has stopped at the offer. The new one gets the same option as uvicorn's.
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return head

    def on_message_begin(self) -> None:
        """Reset the counters for a new request."""
        super().on_message_begin()
        self._awaited = "head"
        self._header_bytes = self._trailers = self._hosts = 0

    def on_url(self, url: bytes) -> None:
        """Refuse a URL that is too long. It may arrive in parts."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._fail(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse too many or too large headers and unknown transfer codings; count Host headers."""
        # Four bytes: the colon with its space, and the end of the line.
        self._header_bytes += len(name) + len(value) + 4
        if self._awaited == "body":
            self._drop_trailer(name)
            return
        super().on_header(name, value)
        if self._header_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._fail(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        # uvicorn has stored the name in lower case.
        name = self.headers[-1][0]
        if name == b"transfer-encoding":
            self._check_coding(value)
        self._hosts += name == b"host"

    def _drop_trailer(self, name: bytes) -> None:
        # A trailer must not become a header (RFC 9110, 6.5.1): a proxy checks only the headers before the body.
        self._trailers += 1
        if name.lower() in _FRAMING:
            self._fail(HTTPStatus.BAD_REQUEST)
        if self._header_bytes > MAX_HEAD_BYTES or len(self.headers) + self._trailers > MAX_HEADERS:
            self._fail(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _check_coding(self, coding: bytes) -> None:
        # With another coding, the parser would read everything to the end of the connection as the body. HTTP/1.0 has
        # no codings (RFC 9112, 6.1): a proxy in front of us may see another end of such a request.
        if coding.strip().lower() != b"chunked" or self.parser.get_http_version() == "1.0":
            self._fail(HTTPStatus.BAD_REQUEST)

    def on_headers_complete(self) -> None:
        """Refuse another HTTP version and a wrong number of Host headers (RFC 9112, 3.2); then wait for the body."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                # CONNECT asks for a tunnel, and this server is not a proxy.
                self._fail(HTTPStatus.BAD_REQUEST)
            # ``_feed`` gives the same head to a new parser, which calls this method again.
            self._offers_upgrade = True
            return
        version = self.parser.get_http_version()
        if version != "1.1" and (version != "1.0" or self._hosts > 1):
            self._fail(HTTPStatus.BAD_REQUEST)
        if version == "1.1" and self._hosts != 1:
            self._fail(HTTPStatus.BAD_REQUEST)
        self._awaited = "body"
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Store a part of a body. If its request is answered already, count it as unread and limit its speed."""
        if self.cycle.response_complete:
            self._unread.add(len(body))
            self._unread.pause()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        if self._offers_upgrade:
            return
        self._awaited = None
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send the rest of the response before the next one begins."""
        self._writer.end()
        if not self.pipeline:
            # There is no later request yet, so the bytes that the application did not ask for belong to this one.
            self._unread.add(len(self.cycle.body))
        super().on_response_complete()
        # Last, because uvicorn has just resumed reading.
        self._unread.pause()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 our text says what to do
        """Answer a request that the parser has refused."""
        self._refuse(self._refusal)

    def _fail(self, status: HTTPStatus) -> None:
        self._refusal = status
        raise _LimitExceeded

    def _refuse(self, status: HTTPStatus) -> None:
        self._awaited = None
        if self.transport.is_closing():
            return
        # The answer to an earlier request may be incomplete. The client would read a refusal as a part of it.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_problem(status, self.root_path))
        self.transport.close()

    def _arm(self) -> None:
        # The deadline of a part does not move while data arrives: a client cannot extend it with single bytes.
        if self._awaited == self._armed:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._armed = self._awaited
        if self._awaited is not None:
            seconds = HEAD_SECONDS if self._awaited == "head" else BODY_SECONDS
            self._deadline = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self._awaited == "head":
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif not self.transport.is_closing():
            # No 408: the application already has the request, and learns that the client is gone.
            self.transport.abort()


def _nothing() -> None:
    """Do nothing after a response."""


def _problem(status: HTTPStatus, root_path: str) -> bytes:
    code = _CODES[status]
    address, title = problem_pages.address(code, root_path), TEXTS[code].title
    body = {"type": address, "title": title, "status": status.value, "detail": _DETAILS[status]}
    content = json.dumps(body | {"code": code, "request_id": str(new_id())}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(content)}\r\nAPI-Version: {API_VERSION}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
