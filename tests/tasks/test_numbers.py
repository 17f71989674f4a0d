"""Numbers keep their value both ways, and what is stored is about as large as what was sent."""

import json
from typing import Any

import pytest

from tests.conftest import Tenant

JSON = {"Content-Type": "application/json"}


def _submit(tenant: Tenant, task: str, payload: str) -> str:
    answer = tenant.client.post(
        "/api/tasks/submit", content=f'{{"task":"{task}","payload":{payload}}}'.encode(), headers=JSON
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


NUMBERS = "[1e22,-0.0,1e308,5e-324,0.1,1.0,100000000000000000000.0,9223372036854775807,-9223372036854775808,1E2]"


def test_a_number_is_the_same_in_the_code_in_the_result_and_in_another_submit(acme: Tenant):
    task_id = _submit(acme, "test.repr", f'{{"items":{NUMBERS}}}')
    sent: list[Any] = json.loads(NUMBERS)
    assert acme.result(task_id)["result"] == [repr(number) for number in sent]
    echoed = _submit(acme, "echo", NUMBERS)
    acme.result(echoed)
    for path, member in ((f"/api/tasks/{echoed}/result", "result"), (f"/api/tasks/{echoed}", "payload")):
        given = acme.client.get(path).json()[member]
        assert [repr(number) for number in given] == [repr(number) for number in sent]
    # What came back may be sent again.
    again = _submit(acme, "echo", json.dumps(acme.result(echoed)["result"]))
    assert [repr(number) for number in acme.result(again)["result"]] == [repr(number) for number in sent]


def test_what_is_given_back_is_about_as_large_as_what_was_sent(acme: Tenant):
    payload = "[" + ",".join(["1e308"] * 37_000) + "]"
    task_id = _submit(acme, "echo", payload)
    ended = acme.result(task_id)
    assert (ended["status"], len(ended["result"])) == ("SUCCESS", 37_000)
    for path in (f"/api/tasks/{task_id}", f"/api/tasks/{task_id}/result"):
        assert len(acme.client.get(path).content) < 1.3 * len(payload)
    again = acme.client.post(f"/api/tasks/{task_id}/retry")
    assert again.status_code == 202
    assert acme.result(again.json()["task_id"])["status"] == "SUCCESS"


def test_members_come_back_in_their_order(acme: Tenant):
    task_id = _submit(acme, "echo", '{"zz":1,"a":{"c":1,"b":2}}')
    acme.result(task_id)
    for path in (f"/api/tasks/{task_id}", f"/api/tasks/{task_id}/result"):
        assert '{"zz":1,"a":{"c":1,"b":2}}' in acme.client.get(path).text


@pytest.mark.parametrize("number", ["1e309", "-1e400", "1" + "0" * 20])
def test_a_number_beyond_64_bits_is_refused(acme: Tenant, number: str):
    refused = acme.client.post("/api/tasks/submit", content=f'{{"payload":{number}}}'.encode(), headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_body")
    assert "Send it as a string." in refused.json()["detail"]
