"""What the APIs in front of the peers have in common: their bodies, and the table for queues that keep no results."""

import os
from typing import Any

from pydantic import BaseModel

PENDING, SUCCESS = "PENDING", "SUCCESS"
DATABASE_URL = os.environ.get("PEER_DATABASE_URL", "")
BROKER_URL = os.environ.get("PEER_BROKER_URL", "")
RESULT_URL = os.environ.get("PEER_RESULT_URL", "")
RESULT_SECONDS = 3600
RESULT_TABLE = "CREATE TABLE peer_result (job_id bigint PRIMARY KEY, value jsonb NOT NULL)"


class Submission(BaseModel):
    """What to run."""

    task: str
    payload: Any


class Submitted(BaseModel):
    """Where to ask."""

    task_id: str


class Outcome(BaseModel):
    """How it ended, once it has."""

    status: str
    result: Any = None
