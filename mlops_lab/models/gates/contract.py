"""What may a policy demand of the data a model has learnt from?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from mlops_lab.base.errors import InvalidDefinition, closest
from mlops_lab.models.gates.measured import Measured, finite
from mlops_lab.models.registry import RuleResult

__all__ = ["Freshness", "NullRate", "RowCount", "Schema"]

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
    '1 of 1 columns are not as agreed: temp is text, not number.'
    """

    columns: Mapping[str, str]
    rule: ClassVar[str] = "schema"

    def __post_init__(self) -> None:
        if not isinstance(self.columns, Mapping):
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
            f"{len(wrong)} of {len(self.columns)} columns are not as agreed: {', '.join(wrong[:5])}."
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
        sentence = f"{rows:,} rows, {word} the {self.at_least:,} agreed."
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
