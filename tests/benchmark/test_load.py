"""The load generator's connection, against a real socket, and its requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from scripts.benchmark import pace
from scripts.benchmark.connection import Connection
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.flood import Flood
from scripts.benchmark.target import Target, accepted_of, has_ended, task_id_of, value_of


@asynccontextmanager
async def connected(*pieces: bytes) -> AsyncIterator[tuple[Connection, asyncio.Future[None]]]:
    """Connect to a server that answers each request with these pieces, one write each, or hangs up if there are none."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while pieces and await reader.readuntil(b"\r\n\r\n"):
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0.01)
        writer.close()
        ended.set()

    loop = asyncio.get_running_loop()
    lost: asyncio.Future[None] = loop.create_future()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        _, connection = await loop.create_connection(lambda: Connection(lost), "127.0.0.1", port)
        yield connection, lost
        connection.close()
        await ended.wait()
        # The transports close in the next rounds of the loop.
        await asyncio.sleep(0.01)


GET = b"GET / HTTP/1.1\r\n\r\n"


async def test_an_answer_in_pieces_is_put_together() -> None:
    pieces = (b"HTTP/1.1 202 Accepted\r\ncontent-", b"length: 11\r\nx: y\r\n\r", b"\nhello ", b"world")
    async with connected(*pieces) as (connection, _):
        for _ in range(2):
            assert await connection.ask(GET) == (b"202", b"hello world")


async def test_an_answer_without_a_length_ends_the_run() -> None:
    async with connected(b"HTTP/1.1 200 OK\r\n\r\n") as (connection, lost):
        connection.send(GET)
        with pytest.raises(BenchmarkError, match="length"):
            await lost


async def test_a_server_that_hangs_up_ends_the_run() -> None:
    async with connected() as (_, lost):
        with pytest.raises(BenchmarkError, match="closed"):
            await lost


async def test_a_flood_sends_every_request_and_keeps_every_answer() -> None:
    async with connected(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok") as (connection, _):
        requests = iter([GET] * 3)
        flood = Flood([connection], lambda: next(requests, None))
        assert await flood.run() == [b"ok"] * 3
        assert len(flood.latencies) == 3


async def test_an_answer_other_than_202_ends_a_flood() -> None:
    async with connected(b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\nno") as (connection, _):
        with pytest.raises(BenchmarkError, match="429"):
            await Flood([connection], lambda: GET).run()


def test_a_request_has_its_length_and_key() -> None:
    head, _, body = Target(80, "/submit", key="k").submit_request(7).partition(b"\r\n\r\n")
    assert body == b'{"task":"echo","payload":{"n":7}}'
    assert b"content-length: %d" % len(body) in head
    assert b"authorization: Bearer k" in head


def test_a_batch_request_has_its_tasks() -> None:
    head, _, body = Target(80, "/submit", batch_path="/batch").batch_request(2).partition(b"\r\n\r\n")
    assert body == b'{"tasks":[{"task":"echo","payload":{"n":0}},{"task":"echo","payload":{"n":1}}]}'
    assert head.startswith(b"POST /batch HTTP/1.1")
    assert b"content-length: %d" % len(body) in head


def test_an_answer_to_a_batch_is_counted_and_a_refused_task_is_an_error() -> None:
    accepted = b'{"task_id":"01234567-89ab-7def-8123-456789abcdef","status":"PENDING"}'
    assert accepted_of(b'{"outcomes":[%b,%b]}' % (accepted, accepted)) == 2
    with pytest.raises(ValueError, match="not all"):
        accepted_of(b'{"outcomes":[%b,{"error":{}}]}' % accepted)


def test_answers_are_read() -> None:
    assert task_id_of(b'{"task_id":"17"}') == "17"
    assert task_id_of(b'{"task_id": "01234567-89ab-7def-8123-456789abcdef"}') == "01234567-89ab-7def-8123-456789abcdef"
    assert has_ended(b'{"status":"SUCCESS","result":{"n":3}}')
    assert not has_ended(b'{"status":"PENDING"}')
    assert value_of(b'{"status":"SUCCESS","result":{"n":3}}') == 3


@pytest.mark.parametrize("body", [b"{}", b'{"task_id":"x"}'])
def test_an_answer_without_an_id_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="task_id"):
        task_id_of(body)


def test_a_failed_task_is_an_error() -> None:
    with pytest.raises(ValueError, match="failed"):
        has_ended(b'{"status":"FAILURE"}')


@pytest.mark.parametrize("body", [b'{"result":null}', b'{"result":{}}', b"[]"])
def test_a_result_without_a_value_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="no value"):
        value_of(body)


def test_many_tenants_take_turns_and_read_what_is_theirs() -> None:
    target = Target(80, "/submit", "/result/%s", keys=("a", "b"))
    for number, key in enumerate((b"a", b"b", b"a")):
        assert b"authorization: Bearer %b\r\n" % key in target.submit_request(number)
        assert b"authorization: Bearer %b\r\n" % key in target.result_request("x", number)


def test_a_task_may_ask_for_its_time() -> None:
    body = Target(80, "/submit", task="bench.busy", milliseconds=20).submit_request(7).partition(b"\r\n\r\n")[2]
    assert body == b'{"task":"bench.busy","payload":{"milliseconds":20}}'


async def test_an_act_that_waits_for_a_connection_is_late_from_when_it_was_due() -> None:
    async with connected(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok") as (connection, _):

        async def act(_: Connection, __: int) -> None:
            await asyncio.sleep(0.05)

        seconds = await pace.paced([connection], act, count=3, rate=1000)
    assert seconds[0] >= 0.05
    assert seconds[2] >= 0.14


async def test_a_refused_submit_ends_a_load_at_an_even_rate() -> None:
    async with connected(b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\nno") as (connection, _):
        with pytest.raises(BenchmarkError, match="429"):
            await pace.even(Target(80, "/"), [connection], count=2, rate=100)
