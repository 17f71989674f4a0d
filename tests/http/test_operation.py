"""Operations, through a small table: what a handler receives, what is refused, and what the API document says."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Cookie, Depends, FastAPI, Header, Path, Query, Request
from fastapi.params import Depends as DependsOn
from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator
from starlette.responses import Response

from app.core.errors import InsufficientScope, NotFound, RateLimited
from app.http import dispatcher, problem
from app.http.json_response import JsonResponse
from app.http.list_limit import ListLimit
from app.http.operation import Answer, Operation
from app.http.parts import Parts
from app.http.request_log import LoggedApp, RequestLog
from app.http.strict_json import Bounds, Incoming

JSON = {"Content-Type": "application/json"}
Name = Annotated[str, Path(min_length=2)]
Upper = Annotated[Annotated[str, AfterValidator(str.upper)] | None, Query(max_length=5)]


def _even_number(text: str) -> int:
    if int(text) % 2:
        raise ValueError("Send an even number")
    return int(text)


def _no_such_number(_text: str) -> int:
    raise NotFound("There is no such number.")


def _below_ten(number: int) -> int:
    if number >= 10:
        raise ValueError("Send a number below 10")
    return number


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    count: int


class Placed(BaseModel):
    """What was placed."""

    told: str


@dataclass(frozen=True, kw_only=True)
class ShopParts(Parts):
    shop: str


class Rate:
    """Admits everybody but those who say that they may not."""

    gives = frozenset({"principal"})

    def __init__(self) -> None:
        self.refusals: list[int] = []

    async def admit(self, request: Request, scope: str) -> dict[str, Any]:
        who = request.headers.get("x-who", "ann")
        if who == "nobody":
            raise InsufficientScope(f"This needs credentials with the scope {scope}.")
        if who == "often":
            raise RateLimited("Too many requests.")
        return {"principal": who}

    def refused(self, _request: Request, error: Exception) -> None:
        self.refusals.append(getattr(error, "status", 422))

    def documented(self, _scope: str) -> DependsOn:
        return DependsOn(lambda: None)


async def place_order(
    request: Request, principal: str, parts: ShopParts, body: Order, name: Name, note: Upper = None
) -> Placed:
    """Place an order."""
    assert request.url.path.endswith(name)
    return Placed(told=f"{principal} {parts.shop} {name} {note} {body.count}")


async def store_order(body: Incoming[Order]) -> Response:
    """Store an order; its body is received here."""
    raw = await body.receive()
    return JsonResponse(Placed(told=f"{len(raw)} {body.read().count} {body.document}").model_dump_json(), 202)


async def find_order(name: Name, number: Annotated[int, Query(ge=1)]) -> Placed:
    """Find an order."""
    raise NotFound(f"There is no order {number}.")


def _table(rate: Rate) -> list[Operation]:
    def one(method: str, path: str, handler: Callable[..., Awaitable[Response | BaseModel]], status: int) -> Operation:
        return Operation(
            method=method, path=path, handler=handler, summary="An order", scope="orders:write", rate=rate,
            answers={status: Answer(Placed)}, problems=[NotFound], bounds=Bounds(size=40),
        )  # fmt: skip

    return [
        one("POST", "/shops/orders", store_order, 202),
        one("POST", "/shops/{name}", place_order, 201),
        one("GET", "/shops/{name}/order", find_order, 200),
    ]


@pytest.fixture
def rate() -> Rate:
    return Rate()


@pytest.fixture(params=["dispatcher", "fastapi"])
async def client(request: pytest.FixtureRequest, rate: Rate) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of the table, which either way answers."""
    async with _connected(_table(rate), request.param) as connected:
        yield connected


@asynccontextmanager
async def _connected(operations: list[Operation], answered_by: str) -> AsyncIterator[httpx.AsyncClient]:
    app = LoggedApp()
    problem.install(app, away=())
    router = dispatcher.router(operations, tag="orders")
    app.include_router(router)
    dispatched = dispatcher.Dispatcher(app.answer_by_fastapi, router.routes, app.exception_handlers)
    app.front = RequestLog(dispatched if answered_by == "dispatcher" else app.answer_by_fastapi)

    async def nothing() -> None:
        """Postgres is not asked."""

    ShopParts(list_limit=ListLimit(1, nothing), cursor_key=b"", shop="corner").attach(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as connected:
        yield connected


async def test_a_handler_receives_what_its_parameters_ask_for(client: httpx.AsyncClient):
    answer = await client.post("/shops/tea?note=hot", content=b'{"count": 3}', headers=JSON)
    assert (answer.status_code, answer.json()) == (201, {"told": "ann corner tea HOT 3"})
    assert answer.headers["x-request-id"]


async def test_a_handler_may_receive_its_body_itself(client: httpx.AsyncClient, rate: Rate):
    answer = await client.post("/shops/orders", content=b'{"count": 3}', headers=JSON)
    assert (answer.status_code, answer.json()) == (202, {"told": "12 3 {'count': 3}"})
    too_large = await client.post("/shops/orders", content=b" " * 41, headers=JSON)
    assert (too_large.status_code, rate.refusals) == (413, [413])


@pytest.mark.parametrize(
    ("path", "body", "status", "places"),
    [
        ("/shops/t?note=toolong", b'{"count": 3}', 422, ["name", "note"]),
        ("/shops/tea?note=a&note=b", b'{"count": 3}', 422, ["note"]),
        ("/shops/tea?other=1", b'{"count": 3}', 422, ["other"]),
        ("/shops/tea", b'{"count": "3", "more": 1}', 422, ["#/count", "#/more"]),
        ("/shops/tea", b"", 422, ["#"]),
        ("/shops/tea", b"{", 400, []),
        ("/shops/t", b"{", 422, ["name"]),
    ],
)
async def test_a_wrong_call_is_told_each_place(
    client: httpx.AsyncClient, rate: Rate, path: str, body: bytes, status: int, places: list[str]
):
    refused = await client.post(path, content=body, headers=JSON)
    faults = refused.json().get("errors", [])
    found = [fault.get("pointer") or fault.get("parameter") for fault in faults]
    assert (refused.status_code, sorted(found), rate.refusals) == (status, sorted(places), [status])


async def test_a_parameter_without_a_default_is_required(client: httpx.AsyncClient):
    missing = await client.get("/shops/tea/order")
    assert (missing.status_code, [fault["parameter"] for fault in missing.json()["errors"]]) == (422, ["number"])
    found = await client.get("/shops/tea/order?number=2")
    assert (found.status_code, found.json()["detail"]) == (404, "There is no order 2.")


@pytest.mark.parametrize(("who", "status"), [("nobody", 403), ("often", 429)])
async def test_who_is_not_admitted_is_refused_first(client: httpx.AsyncClient, rate: Rate, who: str, status: int):
    refused = await client.post("/shops/t?other=1", content=b"{", headers=JSON | {"X-Who": who})
    assert (refused.status_code, rate.refusals) == (status, [])


def test_an_operation_behind_one_that_takes_its_path_is_refused(rate: Rate):
    with pytest.raises(ValueError, match="/shops/orders must stand before"):
        dispatcher.router(reversed(_table(rate)), tag="orders")


async def _with_a_cookie(session: Annotated[str, Cookie()] = "") -> Placed:
    return Placed(told=session)


async def _with_a_dependency(told: Annotated[str, Depends(lambda: "told")] = "") -> Placed:
    return Placed(told=told)


async def _with_a_model_of_another_name(order: Order) -> Placed:
    return Placed(told=str(order.count))


async def _with_parts_twice(parts: ShopParts, others: Parts) -> Placed:
    return Placed(told=f"{parts.shop} {others}")


async def _with_an_answer_to_fill(answer: Response) -> Placed:
    return Placed(told=str(answer))


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (_with_a_cookie, "session"),
        (_with_a_dependency, "told"),
        (_with_a_model_of_another_name, "order"),
        (_with_parts_twice, "others"),
        (_with_an_answer_to_fill, "answer"),
    ],
)
def test_a_handler_that_asks_for_what_it_would_never_receive_is_refused(
    rate: Rate, handler: Callable[..., Awaitable[Placed]], name: str
):
    with pytest.raises(ValueError, match=f"{handler.__name__} would never receive {name}"):
        dispatcher.router([dataclasses.replace(_table(rate)[0], path="/orders", handler=handler)], tag="orders")


async def _sum(x_first: Annotated[int, Header(alias="X-First")] = 0, x_second: Annotated[int, Header()] = 0) -> Placed:
    return Placed(told=str(x_first + x_second))


async def _even(number: Annotated[int, PlainValidator(_even_number), Path()]) -> Placed:
    return Placed(told=str(number))


async def _checked(number: Annotated[int, PlainValidator(int), AfterValidator(_below_ten), Path()]) -> Placed:
    return Placed(told=str(number))


async def _none_such(number: Annotated[int, PlainValidator(_no_such_number), Path()], note: Upper = None) -> Placed:
    return Placed(told=f"{number} {note}")


@pytest.mark.parametrize(
    ("sent", "status"),
    [("/numbers/x", 404), ("/numbers/x?note=hot", 404), ("/numbers/x?note=toolong", 422), ("/numbers/x?other=1", 422)],
)
async def test_a_name_that_nothing_has_is_unknown_only_in_a_request_that_the_call_takes(
    rate: Rate, sent: str, status: int
):
    operation = dataclasses.replace(_table(rate)[2], path="/numbers/{number}", handler=_none_such)
    async with _connected([operation], "dispatcher") as client:
        assert (await client.get(sent)).status_code == status


@pytest.mark.parametrize(
    ("handler", "path", "sent", "status", "told"),
    [
        (_sum, "/sums", "/sums", 200, "7"),
        (_even, "/evens/{number}", "/evens/4", 200, "4"),
        (_even, "/evens/{number}", "/evens/3", 422, "number"),
        (_even, "/evens/{number}", "/evens/x", 422, "number"),
        (_checked, "/small/{number}", "/small/9", 200, "9"),
        (_checked, "/small/{number}", "/small/10", 422, "number"),
    ],
)
async def test_every_rule_of_a_parameter_counts(
    rate: Rate, handler: Callable[..., Awaitable[Placed]], path: str, sent: str, status: int, told: str
):
    operation = dataclasses.replace(
        _table(rate)[2], method="GET", path=path, handler=handler, answers={200: Answer(Placed)}
    )
    async with _connected([operation], "dispatcher") as client:
        answer = await client.get(sent, headers={"x-first": "3", "x-second": "4"})
    found = answer.json()
    assert (answer.status_code, found["told"] if status == 200 else found["errors"][0]["parameter"]) == (status, told)


def test_the_api_document_describes_the_table(rate: Rate):
    app = FastAPI()
    app.include_router(dispatcher.router(_table(rate), tag="orders"))
    described = app.openapi()["paths"]["/shops/{name}"]["post"]
    assert (described["operationId"], described["description"]) == ("place_order", "Place an order.")
    assert [parameter["name"] for parameter in described["parameters"]] == ["name", "note"]
    assert described["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Order"}
    assert {"201", "404"} <= described["responses"].keys()
    assert app.openapi()["paths"]["/shops/orders"]["post"]["requestBody"]["required"] is True
