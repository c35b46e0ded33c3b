from datetime import UTC, datetime

from sqlalchemy import text
from tests.gate.conftest import Till, new_till, till

from tollkeeper.infra.runtime import Runtime
from tollkeeper.metering import registry
from tollkeeper.metering.jobs import tend

__all__ = ["new_till", "till"]  # fixtures


async def test_an_id_counts_once_whatever_segment_it_is_in(till: Till, runtime: Runtime) -> None:
    """Current, closed, sealed, merged: the retry is always known, with its first figures."""
    ada = await till.customer(100)
    for number in range(7):
        answer = (await till.settle(till.use(ada, 1, f"id-{number}")))[0]
        assert answer.figures == ("recorded", 1, 99 - number)
        # A size of nothing: every round switches, seals what is closed, and merges in time.
        await tend(runtime, 0)
        for earlier in range(number + 1):
            again = (await till.settle(till.use(ada, 1, f"id-{earlier}")))[0]
            assert again.figures == ("duplicate", 1, 99 - earlier)
    async with runtime.operator.transaction() as db:
        assert len(await registry.runs(db)) <= 4
        assert not await registry.closed_segments(db)


async def test_an_id_is_known_while_its_segment_is_closed_but_not_sealed(
    till: Till, runtime: Runtime
) -> None:
    """Between switch and seal there is no instant at which it could pass twice."""
    ada = await till.customer(10)
    await till.settle(till.use(ada, 1, "closed"))
    async with runtime.operator.transaction() as db:
        await registry.switch_segment(db, datetime(2026, 6, 6, tzinfo=UTC))
    assert (await till.settle(till.use(ada, 1, "closed")))[0].outcome == "duplicate"
    assert (await till.settle(till.use(ada, 2, "closed")))[0].outcome == "conflict"
    await tend(runtime, 1_000_000)
    assert (await till.settle(till.use(ada, 1, "closed")))[0].outcome == "duplicate"


async def test_a_small_segment_is_left_alone(runtime: Runtime) -> None:
    """A round without need changes nothing."""
    await tend(runtime, 1_000_000)
    query = text("select segment_no, state from usage_segments order by 1")
    async with runtime.operator.transaction() as db:
        before = (await db.execute(query)).all()
    await tend(runtime, 1_000_000)
    async with runtime.operator.transaction() as db:
        assert (await db.execute(query)).all() == before
