"""The parameters of the call for statistics."""

from typing import Annotated, Literal, TypeAlias

from fastapi import Query

from app.identity.paging import AskedTime
from app.stats.buckets import Bucket

From: TypeAlias = Annotated[
    AskedTime | None,
    Query(alias="from", description="Default: an hour (minutes), a day (hours) or 30 days (days) before `to`."),
]
To: TypeAlias = Annotated[AskedTime | None, Query(description="Default, and the latest: now.")]
BucketLength: TypeAlias = Annotated[
    Bucket, Query(description="Minutes are kept for 48 hours, hours for 35 days, days for 400 days. All begin in UTC.")
]
By: TypeAlias = Annotated[Literal["task"] | None, Query(description="`task` gives a series for each task type.")]
OfTask: TypeAlias = Annotated[
    str | None, Query(max_length=64, pattern=r"^[a-z][a-z0-9_.]*$", description="Only this task type.")
]
