"""Texts that no storage takes, in each place of each call that takes a text: refused or taken, never an error of ours."""

import itertools
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml

from tests.conftest import ROOT
from tests.security.world import PASSWORD, World

DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
TEXTS = {
    "nul": "a\0b", "half a surrogate pair": "a\ud800b", "four bytes": "\U0001f600", "ten kilobytes": "x" * 10_000,
    "of four bytes each": "\U0001f600" * 1_900, "not a character": "\ufffe\uffff", "a line": "a\r\nb", "odd": "%/?#\\'\"; --",
}  # fmt: skip
GOOD = {
    "email": "texts@example.com", "role": "viewer", "name": "texts", "current_password": PASSWORD + "x",
    "new_password": PASSWORD, "password": PASSWORD, "task": "echo", "tasks": [{"task": "echo"}], "delay_seconds": 3600,
    "grant_type": "client_credentials", "token": "x",
}  # fmt: skip
ANY_HEADER = ("Authorization", "X-API-Key", "X-Request-ID", "Content-Type", "Content-Encoding", "Host", "User-Agent")
_ADDRESSES = itertools.count(2)


@dataclass
class Call:
    """A request, in the making."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, bytes] = field(default_factory=dict)
    body: bytes = b""


def _bytes(text: str) -> bytes:
    # Half of a pair as an encoder that does not look would write it: ED A0 80.
    return text.encode("utf-8", "surrogatepass")


def _resolve(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the objects that a schema allows."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        yield from _resolve(DOCUMENT["components"]["schemas"][name])
    for kind in ("oneOf", "anyOf"):
        for one in schema.get(kind, []):
            yield from _resolve(one)
    if "properties" in schema:
        yield schema


def _members(operation: dict[str, Any], media_type: str) -> dict[str, Any]:
    """Return each member of a body, with what else is needed beside it."""
    content = operation.get("requestBody", {}).get("content", {}).get(media_type, {})
    found = list(_resolve(content.get("schema", {})))
    needed = {name: GOOD[name] for schema in found for name in schema.get("required", []) if name in GOOD}
    return {name: needed for schema in found for name in [*schema["properties"], "unknown"]}


def _calls(text: str) -> Iterator[Call]:
    """Return a request for each place where a text may be."""
    quoted = quote(_bytes(text), safe="")
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            plain = path.replace("{", "0198c5f2-7d1e-7c33-9a51-").replace("}", "")
            parameters = operation.get("parameters", [])
            for parameter in parameters:
                name = parameter["name"]
                if parameter["in"] == "path":
                    yield Call(method, path.replace(f"{{{name}}}", quoted))
                elif parameter["in"] == "query":
                    yield Call(method, plain, f"{name}={quoted}")
                else:
                    yield Call(method, plain, headers={name: _bytes(text)})
            yield Call(method, plain, f"{quoted}=1&limit={quoted}")
            for name in ANY_HEADER:
                yield Call(method, plain, headers={name: _bytes(text)})
            json_body = {"Content-Type": b"application/json"}
            for name, needed in _members(operation, "application/json").items():
                for value in (text, [text], {text: text}, {"payload": {text: [text]}, "task": text}):
                    yield Call(method, plain, headers=json_body, body=json.dumps(needed | {name: value}).encode())
                yield Call(method, plain, headers=json_body, body=_bytes(json.dumps({name: text}, ensure_ascii=False)))
            form = {"Content-Type": b"application/x-www-form-urlencoded"}
            for name, needed in _members(operation, form["Content-Type"].decode()).items():
                others = "".join(f"&{other}={value}" for other, value in needed.items() if other != name)
                yield Call(method, plain, headers=form, body=f"{name}={quoted}{others}".encode())


def _send(world: World, call: Call, credential: str) -> tuple[int, bytes]:
    """Return the status and the answer; each request comes from an address of its own, as logins are limited for each."""
    headers = {
        "Host": b"a", "Connection": b"close", "Content-Length": b"%d" % len(call.body),
        "Authorization": f"Bearer {credential}".encode(),
    } | call.headers  # fmt: skip
    target = call.path + (f"?{call.query}" if call.query else "")
    head = f"{call.method.upper()} {target} HTTP/1.1\r\n".encode()
    lines = b"".join(b"%s: %s\r\n" % (name.encode(), value) for name, value in headers.items())
    number, address = next(_ADDRESSES), urlsplit(world.url)
    with socket.create_connection(
        (str(address.hostname), int(address.port or 0)), 30, (f"127.12.{number // 250}.{number % 250 + 1}", 0)
    ) as connection:
        received = b""
        try:
            connection.sendall(head + lines + b"\r\n" + call.body)
            while chunk := connection.recv(65_536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            # What is refused before it has been read resets the connection, and the answer may be lost.
            return 0, received
    return int(received.split(b" ", 2)[1]), received


@pytest.fixture(scope="module")
def credentials(world: World) -> dict[str, str]:
    """What may do all, and for a member's own call a member's token."""
    side = world.side("texts")
    return {"key": side.api_key, "member": world.token(side)}


@pytest.mark.parametrize("kind", TEXTS)
def test_no_text_is_an_error_of_ours(world: World, credentials: dict[str, str], kind: str):
    count = 0
    for call in _calls(TEXTS[kind]):
        status, answer = _send(world, call, credentials["member" if call.path == "/api/auth/password" else "key"])
        assert status < 500, (call, answer)
        count += 1
    assert count > 400, "the document is read in another way: find its places again"
