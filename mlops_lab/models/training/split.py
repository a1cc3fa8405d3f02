"""Which rows may a model learn from, and on which is it examined?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData, UnknownName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["TimeSplit", "time_split"]


@dataclass(frozen=True, repr=False)
class TimeSplit:
    """Two parts of one frame, and how many rows are in neither.

    Attributes: `train` (decided and known before `at`), `holdout` (decided at or after `at`), `embargoed` (rows decided
    before `at` whose outcome was not known by then), `at` (UTC). Made by `time_split`:

    >>> import pandas as pd
    >>> times = pd.to_datetime(["2013-08-30", "2013-09-02"], utc=True)
    >>> at = pd.Timestamp("2013-09-01", tz="UTC").to_pydatetime()
    >>> time_split(pd.DataFrame({"event_timestamp": times}), at).embargoed
    0
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    embargoed: int
    at: datetime

    def __repr__(self) -> str:
        return (
            f"TimeSplit(train={len(self.train):,}, holdout={len(self.holdout):,}, "
            f"embargoed={self.embargoed:,}, at={self.at:%Y-%m-%d})"
        )


def time_split(
    frame: pd.DataFrame,
    at: datetime | str,
    *,
    timestamp: str = "event_timestamp",
    known: str | None = "label_timestamp",
) -> TimeSplit:
    """Split rows at a moment: learn from what was over by then, examine on what came after.

    A random split would let a model see the afternoon whose morning it is asked about. A row decided before `at` but
    answered after it belongs to neither side: on that day nobody could have learnt from it.

    Args:
        frame: one row a decision, with the time of the decision in column `timestamp` (UTC).
        at: the moment of the split; timezone-aware, or ISO text.
        timestamp: the column of decision times.
        known: the column that says when the outcome became known; None, or a column that is absent, means at once.

    Raises:
        UnknownName: the frame has no such column.
        InvalidData: `at` is naive, a decision has no time or one without a zone, or one side would be empty.

    >>> import pandas as pd
    >>> times = pd.to_datetime(["2013-08-30", "2013-08-31", "2013-09-02"], utc=True)
    >>> known = pd.to_datetime(["2013-08-30", "2013-09-01", "2013-09-02"], utc=True)
    >>> rows = pd.DataFrame({"event_timestamp": times, "label_timestamp": known})
    >>> time_split(rows, pd.Timestamp("2013-08-31T12:00Z").to_pydatetime())
    TimeSplit(train=1, holdout=1, embargoed=1, at=2013-08-31)
    """
    if timestamp not in frame.columns:
        raise UnknownName("column", timestamp, frame.columns, where="the frame to split")
    moment = parse_utc(at) if isinstance(at, str) else to_utc(at)
    if (missing := int(frame[timestamp].isna().sum())) > 0:
        raise InvalidData(
            f"{missing:,} of {len(frame):,} rows have no {timestamp!r}, so they are on neither side of a split; leave "
            "them out.",
            column=timestamp,
        )
    before = _compared(frame, timestamp, moment) < 0
    learnt = before
    if known is not None and known in frame.columns:
        learnt = before & (_compared(frame, known, moment) <= 0)
    split = TimeSplit(frame[learnt], frame[~before], int(before.sum() - learnt.sum()), moment)
    for side, rows in (("learn from", split.train), ("be examined on", split.holdout)):
        if not len(rows):
            first, last = (frame[timestamp].min(), frame[timestamp].max()) if len(frame) else (None, None)
            span = f"the rows reach from {first:%Y-%m-%d} to {last:%Y-%m-%d}" if len(frame) else "there are no rows"
            raise InvalidData(
                f"a split at {moment:%Y-%m-%d} leaves nothing to {side}: {span}. Choose a moment inside them."
            )
    return split


def _compared(frame: pd.DataFrame, name: str, moment: datetime) -> np.ndarray[Any, Any]:
    """Each row's time against the moment: -1 before, 0 at, 1 after or not known."""
    import numpy as np

    column = frame[name]
    try:
        before, same = column < moment, column == moment
        return np.where(
            before.to_numpy("bool", na_value=False), -1, np.where(same.to_numpy("bool", na_value=False), 0, 1)
        )
    except TypeError:
        raise InvalidData(
            f"column {name!r} holds {column.dtype}, not times with a time zone; convert it with "
            "pd.to_datetime(…, utc=True).",
            column=name,
        ) from None
