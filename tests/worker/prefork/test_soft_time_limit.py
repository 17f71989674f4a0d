"""The soft limit of an attempt in the prefork pool: the code is told, and may clean up before it returns."""

import pytest

from tests.conftest import Tenant


@pytest.mark.parametrize("task", ["test.limited", "test.limited_coroutine"])
def test_code_is_told_of_its_soft_limit_and_may_clean_up(acme: Tenant, task: str):
    ended = acme.result(acme.submit(task=task))
    told = "the attempt ran for more than 0.3 s"
    assert (ended["status"], ended["result"]) == ("SUCCESS", [told, "cleaned up"])


def test_the_soft_limit_of_one_attempt_is_none_of_the_next_in_its_process(acme: Tenant):
    limited = acme.submit(task="test.limited")
    # More than the slots of the worker, each longer than that limit.
    rests = [acme.submit(task="test.rest", payload={"seconds": 0.5}) for _ in range(4)]
    assert acme.result(limited)["status"] == "SUCCESS"
    assert [acme.result(task_id)["status"] for task_id in rests] == ["SUCCESS"] * 4
