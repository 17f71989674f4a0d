"""The queue between a child's event loop and its main thread."""

import threading
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from app.worker.prefork.claim_queue import ClaimQueue


@dataclass(frozen=True)
class _Claim:
    tenant_id: UUID


def _queue(*tenants: UUID) -> tuple[ClaimQueue, list[Any]]:
    queue, claims = ClaimQueue(), [_Claim(tenant_id) for tenant_id in tenants]
    queue.put(claims)  # type: ignore[arg-type]
    return queue, claims


def test_claims_leave_in_the_order_in_which_they_came():
    queue, claims = _queue(uuid4(), uuid4())
    taken = [queue.get(), queue.get()]
    assert [queued.claim for queued in taken if queued] == claims
    assert queue.get() is None
    assert queue.taken == 2


def test_clearing_takes_all_out_and_counts_as_no_progress_of_the_main_thread():
    queue, claims = _queue(uuid4(), uuid4())
    assert queue.clear() == claims
    assert len(queue) == 0
    assert queue.taken == 0


def test_waiting_claims_are_counted_by_tenant():
    one, other = uuid4(), uuid4()
    queue, _ = _queue(one, other, one)
    assert queue.count_by_tenant() == {one: 2, other: 1}


def test_no_claim_is_taken_twice_by_two_threads():
    queue, claims = _queue(*(uuid4() for _ in range(2_000)))
    taken: list[Any] = []

    def take() -> None:
        while queued := queue.get():
            taken.append(queued.claim)

    other = threading.Thread(target=take)
    other.start()
    while len(queue):
        queue.count_by_tenant()
        taken.extend(queue.clear())
    other.join()
    assert sorted(map(id, taken)) == sorted(map(id, claims))
