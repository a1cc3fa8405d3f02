"""What does a gate look at? Only this: figures that somebody has measured, and a profile of the data."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataProfile", "Measured", "profile"]


@dataclass(frozen=True, repr=False)
class DataProfile:
    """What a data contract needs to know of a frame.

    Attributes: `rows`; `columns` (name → kind: number, text, bool or time); `null_rates` (name → share of missing
    values, 0 to 1); `newest` (the last event, UTC, or None); `at` (the moment it was looked at, UTC).

    >>> from mlops_lab.base.clock import parse_utc
    >>> seen = DataProfile(2, {"temp": "number"}, {"temp": 0.5}, None, parse_utc("2013-01-01"))
    >>> DataProfile.from_dict(seen.to_dict()) == seen
    True
    """

    rows: int
    columns: Mapping[str, str]
    null_rates: Mapping[str, float]
    newest: datetime | None
    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """The profile as JSON values."""
        newest = self.newest.isoformat() if self.newest else None
        return {
            "rows": self.rows,
            "columns": dict(self.columns),
            "null_rates": dict(self.null_rates),
            "newest": newest,
            "at": self.at.isoformat(),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> DataProfile:
        """The profile that `to_dict` wrote.

        Raises:
            InvalidData: this is none.
        """
        try:
            newest = parse_utc(found["newest"]) if found["newest"] else None
            return cls(found["rows"], found["columns"], found["null_rates"], newest, parse_utc(found["at"]))
        except (KeyError, TypeError) as error:
            raise InvalidData(f"this is no profile of data: {type(error).__name__}: {error}.") from None

    def __repr__(self) -> str:
        return f"DataProfile(rows={self.rows:,}, columns={len(self.columns)})"


@dataclass(frozen=True, repr=False)
class Measured:
    """Everything a gate may base its verdict on.

    Attributes:
        metrics: the challenger's figures on the holdout, named as `Scores.flat` names them (`served.roc_auc.EWR`).
        champion: the figures of the version in production, scored again on the same holdout, or None without one.
        data: the profile of the data the challenger learnt from, or None when nobody looked.
        holdout: the fingerprint of the rows both were scored on.

    >>> Measured({"served.roc_auc": 0.7})
    Measured(metrics=1, champion=no, data=no)
    """

    metrics: Mapping[str, float]
    champion: Mapping[str, float] | None = None
    data: DataProfile | None = None
    holdout: str = ""

    def figure(self, name: str) -> float | None:
        """A figure of the challenger, or None where it is missing, NaN or infinite: none of these is a measurement."""
        return finite(self.metrics.get(name))

    def __repr__(self) -> str:
        champion, data = ("no" if it is None else "yes" for it in (self.champion, self.data))
        return f"Measured(metrics={len(self.metrics)}, champion={champion}, data={data})"


def finite(value: Any) -> float | None:
    """The value as a float when it is a finite number, NumPy's among them, else None."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def told_apart(figure: float, bound: float) -> tuple[str, str]:
    """Both with three decimals, or as many more as it takes to see that they differ."""
    for digits in range(3, 17):
        told = f"{figure:.{digits}f}", f"{bound:.{digits}f}"
        if figure == bound or told[0] != told[1]:
            break
    return told


def profile(frame: pd.DataFrame, at: datetime, *, timestamp: str = "event_timestamp") -> DataProfile:
    """Look at a frame once, for the rules of a data contract.

    Args:
        frame: any frame; `timestamp`, where there is such a column, says how fresh it is.
        at: the moment of looking, timezone-aware.
        timestamp: the column with the time of each row.

    Raises:
        InvalidData: the timestamps have no time zone, or two columns one name.

    >>> import pandas as pd
    >>> from mlops_lab.base.clock import parse_utc
    >>> frame = pd.DataFrame({"origin": ["EWR", None], "temp": [39.0, 41.0]})
    >>> found = profile(frame, parse_utc("2013-01-02"))
    >>> dict(found.columns), dict(found.null_rates)
    ({'origin': 'text', 'temp': 'number'}, {'origin': 0.5, 'temp': 0.0})
    """
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    def kind(column: pd.Series[Any]) -> str:
        if is_bool_dtype(column):
            return "bool"
        if is_numeric_dtype(column):
            return "number"
        return "time" if is_datetime64_any_dtype(column) else "text"

    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InvalidData(f"the frame has two columns {twice!r}; names are unique, so rename one of the two.")
    newest = None
    if timestamp in frame.columns and frame[timestamp].notna().any():
        found = frame[timestamp].max()
        if getattr(found, "tzinfo", None) is None:
            raise InvalidData(f"column {timestamp!r} has no time zone; convert it to UTC first.", column=timestamp)
        newest = to_utc(found.to_pydatetime(warn=False))
    return DataProfile(
        rows=len(frame),
        columns={str(name): kind(frame[name]) for name in frame.columns},
        null_rates={str(name): float(frame[name].isna().mean()) if len(frame) else 0.0 for name in frame.columns},
        newest=newest,
        at=to_utc(at),
    )
