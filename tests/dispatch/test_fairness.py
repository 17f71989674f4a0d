"""Shares of the workers: the arithmetic, and a simulation of workers that pass over who is ahead."""

import heapq
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.dispatch.fairness import LEAD, VirtualClocks

PERIOD = 0.5


def tenant(number: int) -> UUID:
    return UUID(int=number + 1)


@dataclass
class Workers:
    """Slots that take from a ring of tenants as the take script does, and a dispatcher that looks every half second."""

    slots: int
    weights: dict[UUID, int]
    seconds: dict[UUID, float]
    """How long a task of each tenant lasts."""
    ring: deque[UUID] = field(default_factory=deque)
    tasks: Counter[UUID] = field(default_factory=Counter)
    """Waiting."""
    used: Counter[UUID] = field(default_factory=Counter)
    waits: dict[UUID, list[float]] = field(default_factory=dict)
    idle: float = 0.0
    ahead: set[UUID] = field(default_factory=set)

    def run(self, until: float, arrivals: list[tuple[float, UUID]]) -> None:
        shares, arriving = VirtualClocks(), deque(sorted(arrivals))
        seen: Counter[UUID] = Counter()
        since: dict[UUID, deque[float]] = {}
        # When each slot is free, and when the dispatcher looks.
        events: list[tuple[float, int, str]] = [(0.0, n, "slot") for n in range(self.slots)] + [(0.0, -1, "look")]
        heapq.heapify(events)
        ring_before: set[UUID] = set()
        while events and events[0][0] < until:
            now, number, kind = heapq.heappop(events)
            while arriving and arriving[0][0] <= now:
                at, who = arriving.popleft()
                since.setdefault(who, deque()).append(at)
                self._submit(who)
            if kind == "look":
                waiting = set(self.ring)
                used = {who: self.used[who] - seen[who] for who in self.used}
                seen = Counter(self.used)
                self.ahead = shares.look(used, self.weights, waiting | ring_before)
                ring_before = waiting
                heapq.heappush(events, (now + PERIOD, number, kind))
                continue
            who = self._take()
            if who is None:
                free = arriving[0][0] if arriving else until
                assert not self.tasks.total(), "a slot is idle while work waits"
                heapq.heappush(events, (max(free, now + 0.001), number, kind))
                continue
            if since.get(who):
                self.waits.setdefault(who, []).append(now - since[who].popleft())
            self.used[who] += self.seconds[who]
            heapq.heappush(events, (now + self.seconds[who], number, kind))

    def _submit(self, who: UUID) -> None:
        self.tasks[who] += 1
        if who not in self.ring:
            self.ring.append(who)

    def saturate(self, who: UUID) -> None:
        self.tasks[who] = 10**9
        self.ring.append(who)

    def _take(self) -> UUID | None:
        for may_pass_over in (True, False):
            for _ in range(len(self.ring)):
                who = self.ring.popleft()
                if may_pass_over and who in self.ahead:
                    self.ring.append(who)
                    continue
                self.tasks[who] -= 1
                if self.tasks[who]:
                    self.ring.append(who)
                return who
        return None


def test_saturated_tenants_get_worker_time_by_weight_whatever_their_tasks_last():
    weights = {tenant(0): 1, tenant(1): 2, tenant(2): 4}
    workers = Workers(2, weights, {tenant(0): 0.02, tenant(1): 0.1, tenant(2): 0.2})
    for who in weights:
        workers.saturate(who)
    workers.run(60, [])
    total = workers.used.total()
    for who, weight in weights.items():
        assert abs(workers.used[who] / total * 7 / weight - 1) < 0.1


def test_a_light_tenant_waits_for_a_slot_and_not_for_the_heavy_one():
    heavy, light = tenant(0), tenant(1)
    workers = Workers(2, {heavy: 1, light: 1}, {heavy: 0.02, light: 0.02})
    workers.saturate(heavy)
    workers.run(60, [(at / 4, light) for at in range(200)])
    waits = sorted(workers.waits[light])
    assert waits[int(len(waits) * 0.95)] <= 0.06


def test_a_thousand_tenants_with_all_kinds_of_tasks_are_served_by_weight():
    rng = random.Random(7)
    weights = {tenant(n): rng.choice((1, 2, 4)) for n in range(1000)}
    # From 5 ms to 10 minutes.
    seconds = {who: 0.005 * (120_000 ** rng.random()) for who in weights}
    workers = Workers(64, weights, seconds)
    # Zipf: tenant 0 sends most.
    arrivals = [(rng.random() * 600, tenant(int(min(999, rng.paretovariate(1.1) - 1)))) for _ in range(20_000)]
    workers.run(600, arrivals)
    # Who asks for little is served: nobody with a light load waits long behind those with a heavy one.
    for number in range(100, 1000):
        who = tenant(number)
        for wait in workers.waits.get(who, []):
            assert wait < 120, (number, wait, seconds[who])


def test_who_was_alone_owes_nothing_and_who_was_away_has_saved_nothing():
    shares, old, new = VirtualClocks(), tenant(0), tenant(1)
    for _ in range(100):
        assert shares.look({old: 10.0}, {}, {old}) == set()
    assert shares.look({old: 1.0}, {}, {old, new}) == {old}
    # The newcomer began beside the old one: a second of its own makes them equal again.
    assert shares.look({new: 1.0}, {}, {old, new}) == set()


users = st.dictionaries(st.integers(0, 5).map(tenant), st.floats(0, 1000), max_size=6)


@given(st.lists(st.tuples(users, st.sets(st.integers(0, 5).map(tenant), max_size=6)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_somebody_who_waits_is_never_ahead_and_nothing_grows(looks: list[tuple[dict[UUID, float], set[UUID]]]):
    shares, weights = VirtualClocks(), {tenant(n): n + 1 for n in range(6)}
    for used, waiting in looks:
        ahead = shares.look(used, weights, waiting)
        assert ahead <= waiting
        assert not waiting or ahead < waiting
    shares.look({}, weights, {tenant(9)})
    assert len(shares._clocks) <= 7


@given(st.floats(0.1, 10_000), st.integers(1, 100))
def test_whoever_took_much_is_passed_over_for_a_while_only(seconds: float, weight: int):
    shares, greedy, other = VirtualClocks(), tenant(0), tenant(1)
    shares.look({}, {}, {greedy, other})
    is_ahead = shares.look({greedy: seconds}, {greedy: weight}, {greedy, other})
    assert is_ahead == ({greedy} if seconds / weight > LEAD else set())
    for _ in range(40):
        ahead = shares.look({other: 1.0}, {}, {greedy, other})
    assert greedy not in ahead
