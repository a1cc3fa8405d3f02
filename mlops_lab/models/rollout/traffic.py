"""Which requests has a look of the watch seen, and of which does it know how they ended?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlops_lab.base.clock import to_utc
from mlops_lab.base.errors import InvalidData, UnknownName

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["days_of"]

_COLUMNS = ("key", "at", "known_at", "truth", "challenger", "champion")


def days_of(traffic: pd.DataFrame) -> Iterable[tuple[datetime, pd.DataFrame]]:
    """The end of each day (midnight UTC), and all requests before it; an outcome still unknown then is null.

    Args:
        traffic: one row a request, as `rollout` takes it.

    Raises:
        UnknownName: a column is missing.
        InvalidData: there is no request.

    >>> import pandas as pd
    >>> at = pd.to_datetime(["2013-12-01T12:00Z", "2013-12-02T12:00Z"])
    >>> traffic = pd.DataFrame({"key": ["a", "b"], "at": at, "known_at": at + pd.Timedelta("13h"), "truth": [1, 0],
    ...                         "challenger": 0.1, "champion": 0.2})
    >>> [(end.day, seen["truth"].tolist()) for end, seen in days_of(traffic)]
    [(2, [nan]), (3, [1.0, nan])]
    """
    for column in _COLUMNS:
        if column not in traffic.columns:
            raise UnknownName("column", column, traffic.columns, where="the traffic")
    if traffic.empty:
        raise InvalidData("there is no traffic; a rollout without requests shows nothing.")
    return _days(traffic)


def _days(traffic: pd.DataFrame) -> Iterable[tuple[datetime, pd.DataFrame]]:
    ordered = traffic.sort_values("at", kind="stable")
    first, last = ordered["at"].iloc[0].floor("D"), ordered["at"].iloc[-1].floor("D")
    end = first
    while end <= last:
        end = end + timedelta(days=1)
        seen = ordered[ordered["at"] < end]
        yield (
            to_utc(end.to_pydatetime()),
            seen.assign(truth=seen["truth"].astype("float64").where(seen["known_at"] <= end)),
        )
