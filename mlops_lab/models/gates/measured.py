"""What a gate judges: the figures and the data of a version, and the rules that data must keep."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData, InvalidDefinition, closest, expect_fields
from mlops_lab.models.registry import RuleResult

if TYPE_CHECKING:
    import pandas as pd


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

    def __post_init__(self) -> None:
        kinds = {"rows": int, "columns": Mapping, "null_rates": Mapping, "newest": datetime | None, "at": datetime}
        expect_fields(self, **kinds)

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

    def __post_init__(self) -> None:
        expect_fields(self, metrics=Mapping, champion=Mapping | None, data=DataProfile | None, holdout=str)

    def figure(self, name: str) -> float | None:
        """A figure of the challenger, or None where it is missing, NaN or infinite: none of these is a measurement."""
        return finite(self.metrics.get(name))

    def __repr__(self) -> str:
        champion, data = ("no" if it is None else "yes" for it in (self.champion, self.data))
        return f"Measured(metrics={len(self.metrics)}, champion={champion}, data={data})"


def are_names(values: Any) -> bool:
    """Is this a list of names, with at least one, and none of them blank?"""
    listed = isinstance(values, Sequence) and not isinstance(values, str) and len(values) > 0
    return listed and all(isinstance(each, str) and each.strip() for each in values)


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


def told_with_gap(first: float, second: float, bound: float, *, apart: bool) -> tuple[str, str, str, str]:
    """Two figures, what lies between them, and its bound: three decimals, or as many more as it takes to add up.

    Where `apart` says so, it also takes as many as show that the gap is not the bound.

    >>> told_with_gap(0.1748, 0.1774, 0.002, apart=False)
    ('0.1748', '0.1774', '0.0026', '0.0020')
    """
    for digits in range(3, 17):
        one, other, gap, held = told = tuple(
            f"{each:.{digits}f}" for each in (first, second, abs(first - second), bound)
        )
        if abs(Decimal(one) - Decimal(other)) == Decimal(gap) and not (apart and gap == held):
            break
    return told  # type: ignore[return-value]


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


_KINDS = ("number", "text", "bool", "time")


def _unseen(rule: str, bound: float | None) -> RuleResult:
    return RuleResult(rule, False, None, bound, "Nobody looked at the data; what was not looked at cannot pass.")


@dataclass(frozen=True)
class Schema:
    """The columns that must be there, each with its kind: number, text, bool or time.

    >>> from mlops_lab.base.clock import parse_utc
    >>> from mlops_lab.models.gates import DataProfile
    >>> seen = DataProfile(2, {"temp": "text"}, {"temp": 0.0}, None, parse_utc("2013-01-01"))
    >>> Schema({"temp": "number"}).judge(Measured({}, data=seen)).sentence
    '1 of 1 column not as agreed: temp is text, not number.'
    """

    columns: Mapping[str, str]
    rule: ClassVar[str] = "schema"

    def __post_init__(self) -> None:
        if not isinstance(self.columns, Mapping) or not are_names(list(self.columns)):
            raise InvalidDefinition("a schema maps column names to kinds, for example {temp: number}.")
        for name, kind in self.columns.items():
            if kind not in _KINDS:
                meant = f" Did you mean {closest(str(kind), _KINDS)!r}?" if closest(str(kind), _KINDS) else ""
                raise InvalidDefinition(
                    f"column {name!r} cannot be of kind {kind!r}; kinds: {', '.join(_KINDS)}.{meant}"
                )
        object.__setattr__(self, "columns", dict(self.columns))

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when every agreed column is there with the agreed kind; further columns do not matter."""
        if measured.data is None:
            return _unseen(self.rule, 0.0)
        found = measured.data.columns
        wrong = [
            f"{name} is missing" if name not in found else f"{name} is {found[name]}, not {kind}"
            for name, kind in self.columns.items()
            if found.get(name) != kind
        ]
        sentence = (
            f"{len(wrong)} of {counted(len(self.columns), 'column')} not as agreed: {', '.join(wrong[:5])}."
            if wrong
            else f"All {len(self.columns)} agreed columns are there with the agreed kind."
        )
        return RuleResult(self.rule, not wrong, float(len(wrong)), 0.0, sentence)


@dataclass(frozen=True)
class RowCount:
    """The fewest rows that a model may be made from.

    >>> from mlops_lab.base.clock import parse_utc
    >>> from mlops_lab.models.gates import DataProfile
    >>> seen = DataProfile(12, {}, {}, None, parse_utc("2013-01-01"))
    >>> RowCount(1_000).judge(Measured({}, data=seen)).sentence
    '12 rows, fewer than the 1,000 agreed.'
    """

    at_least: int
    rule: ClassVar[str] = "row_count"

    def __post_init__(self) -> None:
        if isinstance(self.at_least, bool) or not isinstance(self.at_least, int) or self.at_least < 0:
            raise InvalidDefinition(f"a row count is a whole number of at least 0, not {self.at_least!r}.")

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when there are at least as many rows as agreed."""
        if measured.data is None:
            return _unseen(self.rule, float(self.at_least))
        rows = measured.data.rows
        passed = rows >= self.at_least
        word = "at least" if passed else "fewer than"
        sentence = f"{counted(rows, 'row')}, {word} the {self.at_least:,} agreed."
        return RuleResult(self.rule, passed, float(rows), float(self.at_least), sentence)


@dataclass(frozen=True)
class NullRate:
    """The largest share of missing values in any column, or in those named.

    >>> from mlops_lab.base.clock import parse_utc
    >>> from mlops_lab.models.gates import DataProfile
    >>> seen = DataProfile(10, {"gust": "number"}, {"gust": 0.8}, None, parse_utc("2013-01-01"))
    >>> NullRate(0.5).judge(Measured({}, data=seen)).sentence
    '80.0 % of gust are missing, more than the 50.0 % agreed.'
    """

    at_most: float
    columns: Sequence[str] | None = None
    rule: ClassVar[str] = "null_rate"

    def __post_init__(self) -> None:
        if finite(self.at_most) is None or not 0 <= self.at_most <= 1:
            raise InvalidDefinition(f"a null rate is a share from 0 to 1, not {self.at_most!r}.")
        if isinstance(self.columns, str):
            raise InvalidDefinition(f"a null rate names its columns in a list: [{self.columns}], not {self.columns!r}.")
        if self.columns is not None:
            if not are_names(self.columns):
                raise InvalidDefinition(f"a null rate names its columns in a list, not as {self.columns!r}.")
            object.__setattr__(self, "columns", tuple(self.columns))

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when no column misses more than the agreed share; a column that is not there misses everything."""
        if measured.data is None:
            return _unseen(self.rule, self.at_most)
        rates = measured.data.null_rates
        named = self.columns if self.columns is not None else rates
        # A rate that is no number says nothing, and what nobody knows counts as missing.
        judged = {name: 1.0 if (rate := finite(rates.get(name))) is None else rate for name in named}
        if not judged:
            return RuleResult(self.rule, False, None, self.at_most, "There are no columns; nothing can pass.")
        worst = max(judged, key=lambda name: judged[name])
        passed = judged[worst] <= self.at_most
        word = "no more than" if passed else "more than"
        sentence = f"{judged[worst]:.1%} of {worst} are missing, {word} the {self.at_most:.1%} agreed."
        return RuleResult(self.rule, passed, judged[worst], self.at_most, sentence.replace("%", " %"))


@dataclass(frozen=True)
class Freshness:
    """How old the newest row may be when the model is judged.

    >>> from mlops_lab.base.clock import parse_utc
    >>> from mlops_lab.models.gates import DataProfile
    >>> seen = DataProfile(10, {}, {}, parse_utc("2013-01-01"), parse_utc("2013-01-08"))
    >>> Freshness(timedelta(days=3)).judge(Measured({}, data=seen)).sentence
    'The newest row is 7.0 days old, older than the 3.0 days agreed.'
    """

    at_most: timedelta
    rule: ClassVar[str] = "freshness"

    def __post_init__(self) -> None:
        if not isinstance(self.at_most, timedelta) or self.at_most < timedelta(0):
            raise InvalidDefinition(f"an age is a duration of at least 0, not {self.at_most!r}.")

    def judge(self, measured: Measured) -> RuleResult:
        """Pass when the newest row is not older than agreed; a row from the future fails."""
        days = self.at_most / timedelta(days=1)
        if measured.data is None:
            return _unseen(self.rule, days)
        if measured.data.newest is None:
            return RuleResult(self.rule, False, None, days, "No row says when it happened; nothing shows it is fresh.")
        age = (measured.data.at - measured.data.newest) / timedelta(days=1)
        if age < 0:
            return RuleResult(self.rule, False, age, days, f"The newest row lies {-age:.1f} days in the future.")
        passed = age <= days
        word = "not older than" if passed else "older than"
        sentence = f"The newest row is {age:.1f} days old, {word} the {days:.1f} days agreed."
        return RuleResult(self.rule, passed, age, days, sentence)
