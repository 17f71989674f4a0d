"""A run: cluster, tenants, load, receiver and journal, brought up together and at rest between two faults."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults import checker, cluster, facts, journal
from tests.faults.checker import Verdict
from tests.faults.cluster import Cluster
from tests.faults.followers import Followers
from tests.faults.journal import Sampler
from tests.faults.load import Load, Tenant
from tests.faults.owner import Owner
from tests.faults.receiver import Receiver
from tests.faults.waiting import NeverHappenedError, until

QUOTA: Final = 400
"""Tasks a day of the tenant that has few."""

# Slug: plan, share of the load, overridden limits.
_TENANTS: Final[dict[str, tuple[str, int, dict[str, int]]]] = {
    "wide": ("enterprise", 5, {}),
    "pro": ("pro", 3, {}),
    "pair": ("pro", 2, {"running": 2}),
    "narrow": ("enterprise", 1, {"running": 1}),
    "quota": ("enterprise", 1, {"tasks_per_day": QUOTA}),
}

_UNDER_WAY: Final = "SELECT count(*) FROM task WHERE status IN ('PENDING', 'STARTED', 'RETRY')"
# Events that have no delivery yet, and deliveries.
_UNSENT: Final = """
SELECT (SELECT count(*) FROM tenant_slots s LEFT JOIN webhook_cursor c ON c.tenant_id = s.tenant_id
        WHERE s.webhook_seq > coalesce(c.seq, 0))
    + (SELECT count(*) FROM delivery WHERE status = 'PENDING' AND url ~ '/(ok|moody)$')
"""
# The schedule of retries (5 s, 5 minutes, ...) is not what is tested here.
_HASTEN: Final = """
UPDATE delivery SET due_at = now() WHERE status = 'PENDING' AND claim_token IS NULL AND due_at > now()
  AND url ~ '/(ok|moody)$'
"""
_BREAK_LEASES: Final = "UPDATE delivery SET due_at = now() WHERE status = 'PENDING' AND claim_token IS NOT NULL"


@dataclass
class Stage:
    """Everything a fault needs."""

    cluster: Cluster
    owner: Owner
    load: Load
    receiver: Receiver
    sampler: Sampler
    followers: Followers
    seed: int
    is_long: bool
    secrets: list[str]
    postgres_crashes: list[float] = field(default_factory=list)
    collapses: list[str] = field(default_factory=list)
    """Parts that ended and were not told to."""

    def rest(self, seconds: float = 120) -> float:
        """End the load and wait until every task has ended and every webhook is sent; return how long it took."""
        self.load.end()
        began = time.monotonic()
        # What is still there after this time is for the checker to name.
        with contextlib.suppress(NeverHappenedError):
            until(lambda: not self.owner.value(_UNDER_WAY), "the end of every task", seconds, 0.1)
            until(self._has_sent, "every webhook", seconds, 0.1)
            until(self._has_told, "every event in the feed", 60, 0.1)
            until(lambda: not facts.unexpected_keys(self.cluster.valkey.url), "an empty Redis", 15, 0.1)
        return time.monotonic() - began

    def _has_sent(self) -> bool:
        self.owner.rows(_HASTEN)
        return not self.owner.value(_UNSENT)

    def _has_told(self) -> bool:
        told = self.followers.told()
        rows = self.owner.rows("SELECT t.slug, s.event_seq FROM tenant_slots s JOIN tenant t ON t.id = s.tenant_id")
        return all(len(told.get(row["slug"], ())) >= row["event_seq"] for row in rows)

    def break_leases(self, *, always: bool = False) -> None:
        """Let the deliveries of a killed process be due at once; in the long form their minute is waited for."""
        if always or not self.is_long:
            self.owner.rows(_BREAK_LEASES)

    def running_children(self) -> list[int]:
        """Return the pids of processes that are in the middle of a task's code, the latest first."""
        lines = [json.loads(line) for line in self.cluster.effects.read_text().splitlines()]
        ended = {line["token"] for line in lines if line["what"] == "end"}
        return [line["pid"] for line in reversed(lines) if line["what"] == "begin" and line["token"] not in ended]

    def check(self) -> Verdict:
        """Judge what there is; what has ended by itself is started again, for the next fault."""
        for name, code in self.cluster.ended():
            self.collapses.append(f"{name} ended with {code}: {self.cluster.tail(name, 3)}")
            self.cluster.forget(name)
            self.cluster.start(name)
            self.cluster.wait_ready(name)
        return checker.check(
            facts.gather(
                self.owner,
                self.cluster.valkey.url,
                self.cluster.effects,
                self.load.history.all(),
                self.receiver.log,
                quotas={"quota": QUOTA},
                calls=list(self.receiver.calls),
                postgres_crashes=self.postgres_crashes,
                samples=[*self.sampler.violations, *self.followers.wrong()],
                followed=self.followers.told(),
                leaks=facts.leaks(self.cluster.folder, self.secrets),
                collapses=self.collapses + facts.criticals(self.cluster.folder),
            )
        )


@contextlib.contextmanager
def running(
    seed: int, *, is_long: bool = False, with_standby: bool = False, disk: Path | None = None
) -> Iterator[Stage]:
    """Bring up a stack of its own with a load at hand, and take it down whatever happens."""
    with (
        cluster.servers(with_proxies=is_long, with_standby=with_standby, disk=disk) as made,
        contextlib.ExitStack() as cleanup,
    ):
        for name in cluster.PARTS:
            made.start(name)
        receiver = Receiver(seed)
        cleanup.callback(receiver.close)
        tenants, secrets = _make_tenants(made, receiver)
        owner = Owner(made.postgres.url)
        cleanup.callback(owner.close)
        journal.make(owner)
        sampler = Sampler(made.postgres.url)
        cleanup.callback(sampler.close)
        load = Load(tenants, lambda: dict(made.apis), receiver.url, seed)
        cleanup.callback(load.close)
        made.wait_ready(*cluster.PARTS)
        followers = Followers(tenants, lambda: dict(made.apis), seed)
        cleanup.callback(followers.close)
        yield Stage(made, owner, load, receiver, sampler, followers, seed, is_long, secrets)


def _make_tenants(made: Cluster, receiver: Receiver) -> tuple[list[Tenant], list[str]]:
    create = [["tenant", "create", slug, "--name", slug, "--plan", plan, "--json"]
              for slug, (plan, _, _) in _TENANTS.items()]  # fmt: skip
    limit = [["tenant", "set-limit", slug, *(f"{name}={value}" for name, value in limits.items()), "--json"]
             for slug, (_, _, limits) in _TENANTS.items() if limits]  # fmt: skip
    secrets, tenants = [], []
    for answer in [found for found in made.admin(*create, *limit) if "api_key" in found]:
        slug = answer["slug"]
        receiver.trust(slug, answer["webhook_secret"])
        secrets += [answer["api_key"], answer["webhook_secret"]]
        tenants.append(Tenant(slug, answer["tenant_id"], answer["api_key"], _TENANTS[slug][1]))
    return tenants, secrets
