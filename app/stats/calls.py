"""The handler of the call for statistics."""

from datetime import UTC, datetime

from app.identity.principal import Principal
from app.quotas.parts import QuotaParts
from app.stats import buckets, series
from app.stats.buckets import Bucket
from app.stats.parameters import BucketLength, By, From, OfTask, To
from app.stats.schemas import Stats


async def get_stats(
    principal: Principal,
    parts: QuotaParts,
    first: From = None,
    to: To = None,
    bucket: BucketLength = Bucket.HOUR,
    by: By = None,
    task: OfTask = None,
) -> Stats:
    """Return how many tasks were submitted and ended, how many failed, and how long they waited and ran.

    There is a point for each minute, hour or day that the time touches, at most 1,500 in all. Waits are split into the
    part that your limit of running tasks caused, and the rest.
    """
    asked = buckets.span(bucket, first, to, datetime.now(UTC))
    return await series.read(parts.reader, principal.tenant_id, asked, by_task=by is not None, task=task)
