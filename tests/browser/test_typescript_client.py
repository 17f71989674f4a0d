"""The TypeScript client in a page of another origin: with a token for one task, and with a key."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from scripts import sdk_python
from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until
from tests.faults.proxy import Proxy
from tests.sdk.conftest import DOCUMENT

NAME = "api-of-pages"


class Files(SimpleHTTPRequestHandler):
    """A web server of somebody's pages."""

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the client to pages, as a tenant's own site does."""
    folder = tmp_path_factory.mktemp("site")
    sdk_python.generate_typescript(DOCUMENT, folder)
    (folder / "index.html").write_text("<!doctype html><title>A page</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def proxy(stack: Stack, origin: str) -> Iterator[Proxy]:
    """An api that lets the pages of the origin call, behind a proxy that can cut connections."""
    port = ports.free_port()
    stack.start(
        NAME, "uvicorn", "app.main:app", "--port", str(port), "--http", "app.http.protocol_limits:GuardedProtocol",
        CORS_ORIGINS=origin,
    )  # fmt: skip
    wait_until(lambda: _is_up(port), "an api process")
    made = Proxy(port)
    yield made
    stack.stop(NAME)
    made.close()


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def page(chromium: Browser, origin: str) -> Iterator[Page]:
    """A page of the origin, with what it says in its console."""
    context = chromium.new_context()
    made = context.new_page()
    made.goto(origin)
    made.evaluate("async () => { window.tq = await import('/typescript/lib/index.js'); window.seen = []; }")
    yield made
    context.close()


def test_a_page_follows_one_task_by_its_token_over_a_cut_connection(
    page: Page, proxy: Proxy, acme: Tenant, tmp_path: Path
):
    go = tmp_path / "go"
    task_id = acme.submit(task="test.logs", payload={"lines": 2, "until": str(go)})
    token = acme.client.post(f"/api/tasks/{task_id}/stream-token").json()["access_token"]
    page.evaluate(
        """([baseUrl, streamToken, id]) => {
            const reader = new tq.TaskQueue({ baseUrl, streamToken });
            window.done = (async () => {
                for await (const event of reader.tasks.events(id)) seen.push(event.type);
                return [await reader.tasks.result(id), (await reader.tasks.status(id)).status,
                        await reader.tasks.get(id).then(() => "read", (error) => error instanceof tq.TaskQueueError)];
            })();
        }""",
        [f"http://127.0.0.1:{proxy.port}", token, task_id],
    )
    wait_until(lambda: page.evaluate("seen.includes('task.log')"), "a line of the log in the page")
    proxy.reset_all()
    go.touch()
    result, status, is_refused = page.evaluate("done")
    seen: list[str] = page.evaluate("seen")
    assert (result, status, is_refused) == (1, "SUCCESS", True)
    assert (seen[0], seen[-1]) == ("task.created", "task.succeeded")
    # Nothing comes twice.
    assert [seen.count(kind) for kind in ("task.created", "attempt.started", "attempt.ended")] == [1, 1, 1]
    assert seen.count("task.log") == len(acme.client.get(f"/api/tasks/{task_id}/logs").json()["items"])


def test_a_page_with_a_key_submits_reads_lists_and_understands_refusals(page: Page, proxy: Proxy, acme: Tenant):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    found: dict[str, Any] = page.evaluate(
        """async ([baseUrl, apiKey]) => {
            const client = new tq.TaskQueue({ baseUrl, apiKey });
            console.log(client, client.tasks, JSON.stringify(client), String(client));
            const feed = await client.events({ tag: "page" }).open();
            const task = await client.tasks.submit("echo", { id: 9007199254740993n }, { tags: ["page"] });
            const result = await task.wait({ timeoutSeconds: 60 });
            const event = (await feed.next()).value.type;
            await feed.close();
            const listed = [];
            for await (const item of client.tasks.list({ tag: "page", pageSize: 1 })) listed.push(item.task_id);
            const refused = await client.tasks.submit("long_task", { seconds: -1 }).catch((error) => error);
            return { id: String(result.id), event, isListed: listed.includes(task.taskId), code: refused.code,
                     kind: refused instanceof tq.InvalidRequestError, request: refused.requestId.length };
        }""",
        [f"http://127.0.0.1:{proxy.port}", acme.api_key],
    )
    assert (found["id"], found["event"], found["isListed"]) == ("9007199254740993", "task.succeeded", True)
    assert (found["code"], found["kind"]) == ("invalid_request", True)
    assert found["request"] > 0
    assert said
    assert acme.api_key[-20:] not in "".join(said)


def test_a_page_verifies_a_webhook_by_its_own_crypto(page: Page):
    # As standardwebhooks signs it; its time is long over, so the test gives the time.
    assert page.evaluate(
        """async () => {
            const secret = "whsec_" + btoa("a key of thirty-two bytes, or so");
            const body = '{"type":"task.succeeded","timestamp":"2027-01-31T12:00:00Z","data":{}}';
            const key = await crypto.subtle.importKey("raw", new TextEncoder().encode("a key of thirty-two bytes, or so"),
                { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
            const signed = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(`msg_1.1000.${body}`));
            const signature = "v1," + btoa(String.fromCharCode(...new Uint8Array(signed)));
            const headers = new Headers({ "webhook-id": "msg_1", "webhook-timestamp": "1000", "webhook-signature": signature });
            const event = await tq.verifyWebhook(body, headers, secret, { now: 1001 });
            const refused = await tq.verifyWebhook(body + " ", headers, secret, { now: 1001 }).catch((error) => error.name);
            return [event.type, event.id, refused];
        }"""
    ) == ["task.succeeded", "msg_1", "WebhookVerificationError"]
