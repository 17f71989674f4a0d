"""Log lines: one JSON object each, without credentials."""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from app.core.logging import JsonLine, LineHandler, redact, write
from tests.conftest import ROOT

KEY = "tq_live_abcdefghijkl_" + "S" * 46
HOOK = "whsec_SSSSSSSSSSSS+/SSSSSSSSSSSS="
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJTU1NTIn0.SSSSSSSS-SSSS_SS"
URL = "postgresql://owner:SSSSSSSS@host/db"
SECRETS = [KEY, HOOK, JWT, URL]


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLine())
    logger = logging.getLogger("tests.core.redaction")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def _fail(message: str) -> None:
    raise RuntimeError(message)


def _one(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    assert "SSSS" not in line
    assert "eyJ" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_out_wherever_it_is(secret: str, lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    extras = {"plain": secret, "nested": {"list": [secret, (secret,)], secret: 1}, "error": ValueError(secret)}
    try:
        _fail(secret)
    except RuntimeError:
        logger.exception("message %s and %r", secret, [secret], extra=extras, stack_info=True)
    parsed = _one(stream)
    assert parsed["level"] == "ERROR"
    assert "RuntimeError" in parsed["traceback"]
    assert "test_a_secret_is_taken_out" in parsed["stack"]


def test_the_public_part_of_a_key_stays() -> None:
    assert redact(f"<{KEY}>") == "<tq_live_abcdefghijkl…>"
    assert redact("tq_api tq_live whsec queued") == "tq_api tq_live whsec queued"


def test_a_line_is_one_object_with_the_extras(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.info("two\nlines", extra={"status": 200, "tenant_id": UUID(int=1), "code": None})
    parsed = _one(stream)
    assert parsed["message"] == "two\nlines"
    assert parsed["status"] == 200
    assert parsed["tenant_id"] == str(UUID(int=1))
    assert parsed["time"].endswith("+00:00")
    assert "code" not in parsed


@pytest.mark.parametrize("facts", [{}, {"code": None}, {"route": 'a "quoted" one', "status": 200, "seconds": 1.5}])
def test_a_line_of_every_request_is_the_same_object_as_one_with_extras(
    facts: dict[str, Any], lines: tuple[logging.Logger, io.StringIO]
) -> None:
    logger, written = lines
    write(logger, 'a "message"', facts)
    logger.info('a "message"', extra=facts)
    one, other = map(json.loads, written.getvalue().splitlines())
    assert one.pop("time")[:16] == other.pop("time")[:16]
    assert one == other
    assert list(one) == list(other)


class _Writes(io.StringIO):
    """A stream that counts how often it is written to."""

    count = 0

    def write(self, text: str) -> int:
        self.count += 1
        return super().write(text)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[logging.Logger, _Writes]]:
    """A logger whose lines go through the handler of a process, and what is written."""
    handler = LineHandler()
    handler.setFormatter(JsonLine())
    stream = handler.stream = _Writes()
    monkeypatch.setattr(LineHandler, "of_process", handler)
    logger = logging.getLogger("tests.core.requests")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def _messages(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["message"] for line in stream.getvalue().splitlines()]


async def test_lines_of_one_turn_of_the_loop_are_written_together(requests: tuple[logging.Logger, _Writes]) -> None:
    logger, stream = requests
    for turn in range(2):
        for number in range(3):
            write(logger, f"{turn} {number}", {})
        assert len(_messages(stream)) == 3 * turn
        await asyncio.sleep(0)
    assert _messages(stream) == ["0 0", "0 1", "0 2", "1 0", "1 1", "1 2"]
    assert stream.count == 2


async def test_a_line_of_another_thread_comes_after_those_that_wait(requests: tuple[logging.Logger, _Writes]) -> None:
    logger, stream = requests
    write(logger, "waits", {})
    # The loop does not turn meanwhile: as if the code of a task had blocked it.
    other = threading.Thread(target=logger.warning, args=("at once",))
    other.start()
    other.join()
    assert _messages(stream) == ["waits", "at once"]
    write(logger, "later", {})
    await asyncio.sleep(0)
    assert _messages(stream) == ["waits", "at once", "later"]


async def test_a_loop_does_not_wait_for_a_blocked_one(requests: tuple[logging.Logger, _Writes]) -> None:
    logger, stream = requests
    write(logger, "blocked", {})

    async def turn() -> None:
        write(logger, "turns", {})
        await asyncio.sleep(0)

    other = threading.Thread(target=asyncio.run, args=(turn(),))
    other.start()
    other.join()
    assert _messages(stream) == ["blocked", "turns"]


class _Full(_Writes):
    """A stream that takes nothing for a while, as a full disk or a pipe that nobody reads."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


async def test_a_stream_that_takes_nothing_costs_lines_and_nothing_else(
    requests: tuple[logging.Logger, _Writes], faults: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger, handler = requests[0], LineHandler.of_process
    assert handler is not None
    stream = _Full()
    monkeypatch.setattr(handler, "stream", stream)
    # Else its own report of the error is on the stderr of the tests.
    monkeypatch.setattr(logging, "raiseExceptions", False)
    write(logger, "lost", {})
    await asyncio.sleep(0)
    write(logger, "lost as well", {})
    # Whoever writes a line is never the one who fails.
    logger.warning("lost too")
    assert not handler._waiting
    stream.is_full = False
    write(logger, "written", {})
    await asyncio.sleep(0)
    assert (_messages(stream), faults) == (["written"], [])


@pytest.fixture
async def faults() -> list[dict[str, Any]]:
    """What the loop reports: errors of its callbacks."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


def test_a_fork_does_not_write_what_waits_in_its_parent() -> None:
    done = _run(
        "import asyncio, logging, os\n"
        "from app.core import logging as structured_logging\n"
        "structured_logging.configure('info', service='test')\n"
        "async def main():\n"
        "    structured_logging.write(logging.getLogger('x'), 'of the parent', {})\n"
        "    if (pid := os.fork()) == 0:\n"
        "        logging.getLogger('x').warning('of the fork')\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "asyncio.run(main())\n"
    )
    assert done == ["of the fork", "of the parent"]


def _run(code: str) -> list[str]:
    """Return the messages that a process logs."""
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                          check=True, capture_output=True, text=True, timeout=60)  # fmt: skip
    return [json.loads(line)["message"] for line in done.stderr.splitlines()]


def test_what_waits_is_written_at_the_end_of_the_process() -> None:
    done = _run(
        "import asyncio, logging\n"
        "from app.core import logging as structured_logging\n"
        "structured_logging.configure('info', service='test')\n"
        "loop = asyncio.new_event_loop()\n"
        "def end():\n"
        "    structured_logging.write(logging.getLogger('x'), 'the last', {})\n"
        "    raise SystemExit\n"
        "loop.call_soon(end)\n"
        "loop.run_forever()\n"
    )
    assert done == ["the last"]
