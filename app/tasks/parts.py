"""The parts of the API process that the task calls use."""

from dataclasses import dataclass

from redis.asyncio import Redis

from app.audit.parts import AuditParts
from app.events.parts import EventParts
from app.tasks.large_bodies import LargeBodies
from app.tasks.own_types import OwnTypes
from app.tasks.read.following import Following
from app.tasks.read.reading import Reading
from app.tasks.submit.accept import Acceptor


@dataclass(frozen=True, kw_only=True)
class TaskParts(EventParts, AuditParts):
    """The parts that the handlers of the task calls use."""

    acceptor: Acceptor
    large_bodies: LargeBodies
    reading: Reading
    following: Following
    own_types: OwnTypes
    redis: Redis
