"""The report of a failed test never fails itself, whatever of the stack is away."""

import os
from pathlib import Path

from tests import stack_state


def test_a_stack_that_is_away_is_described_all_the_same(tmp_path: Path):
    away = {"DATABASE_URL": "postgresql://owner@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    (tmp_path / "api.log").write_text("its last line")
    told = stack_state.describe(away, {"api": os.getpid(), "worker": os.getpid()}, tmp_path)
    assert told.count("not read: ") == 3
    assert "process api:" in told
    assert "log: its last line" in told
