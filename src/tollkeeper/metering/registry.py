"""Segments and runs: of the installation, not of a provider, and the operator's to tend."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A merged run has a number of its own, beyond those of segments.
_MERGED_FROM = 1_000_000_000

_SIZE = text(
    """
    select pg_relation_size(('usage_events_' || segment_no)::regclass) / 1048576
      from usage_segments where state = 'current'
    """
)
_PATIENCE = text("set local lock_timeout = '2s'")
_SWITCH = text("select usage_segment_switch(:at)")
_ENSURE_NEXT = text(
    """
    select usage_segment_create((select max(segment_no) + 1 from usage_segments))
     where not exists (select from usage_segments where state = 'next')
    """
)
_CLOSED = text("select segment_no from usage_segments where state = 'closed' order by 1")
_SEAL = text("select usage_segment_seal(:segment)")
_RUNS = text(
    """
    select substring(relid::text from '\\d+$')::integer as run_no
      from pg_partition_tree('usage_ids') where isleaf and relid <> 'usage_ids'::regclass
     order by 1
    """
)
_MERGE = text("select usage_ids_merge(:runs, :into)")


async def current_segment_megabytes(operator: AsyncConnection) -> int:
    return int((await operator.execute(_SIZE)).scalar_one())


async def switch_segment(operator: AsyncConnection, at: datetime) -> int:
    """Make the next segment current; answers its number. Gives way to writers after 2 s."""
    await operator.execute(_PATIENCE)
    return int((await operator.execute(_SWITCH, {"at": at})).scalar_one())


async def ensure_next_segment(operator: AsyncConnection) -> None:
    """Make the segment after the current one, if it is not there."""
    await operator.execute(_ENSURE_NEXT)


async def closed_segments(operator: AsyncConnection) -> Sequence[int]:
    """Those that take no more writes, and whose ids are not in usage_ids yet."""
    return (await operator.execute(_CLOSED)).scalars().all()


async def seal_segment(operator: AsyncConnection, segment: int) -> None:
    """Copy its ids into a run of usage_ids."""
    await operator.execute(_SEAL, {"segment": segment})


async def runs(operator: AsyncConnection) -> Sequence[int]:
    """The numbers of the runs that usage_ids consists of."""
    return (await operator.execute(_RUNS)).scalars().all()


async def merge_runs(operator: AsyncConnection, numbers: Sequence[int]) -> None:
    """Make one run of these."""
    into = max(_MERGED_FROM, *numbers) + 1
    await operator.execute(_MERGE, {"runs": list(numbers), "into": into})
