"""The workers of a pool together."""

from app.operator.pool_states import PoolState, pools


def test_a_pool_counts_living_workers_only():
    rows = [
        {"pool": "prefork", "slots": 2, "running": 1, "age": 0.5},
        {"pool": "prefork", "slots": 4, "running": 4, "age": 1.0},
        {"pool": "prefork", "slots": 8, "running": 8, "age": 15.0},
        {"pool": "asyncio", "slots": 0, "running": 3, "age": 0.1},
    ]
    assert pools(rows) == {"prefork": PoolState(2, 6, 5), "asyncio": PoolState(1, 0, 3)}
