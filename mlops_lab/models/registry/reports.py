"""What did the gate find? One verdict on one version, with a reason for every rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops_lab.base.clock import parse_utc, to_utc
from mlops_lab.base.errors import InvalidData
from mlops_lab.base.fingerprint import fingerprint_json

__all__ = ["GateReport", "RuleResult"]


@dataclass(frozen=True, repr=False)
class RuleResult:
    """What one rule of the gate found: its figure, the bound it was held against, and one sentence.

    >>> RuleResult(rule="floor", passed=False, figure=0.64, bound=0.65, sentence="AUC 0.64 is below 0.65.")
    RuleResult(floor: failed, AUC 0.64 is below 0.65.)

    Raises:
        InvalidData: passed is not a plain true or false, or a rule passed on a figure that is no finite number.
    """

    rule: str
    passed: bool
    figure: float | None
    bound: float | None
    sentence: str

    def __post_init__(self) -> None:
        # A truthy NaN or text must never count as a pass; NumPy's own bool is taken as the bool it is.
        if type(self.passed).__name__ in {"bool_", "bool"}:
            object.__setattr__(self, "passed", bool(self.passed))
        else:
            raise InvalidData(f"rule {self.rule!r} passed={self.passed!r}; say True or False.")
        for name in ("figure", "bound"):
            object.__setattr__(self, name, _number(getattr(self, name)))
        if self.passed and self.figure is not None and not math.isfinite(self.figure):
            raise InvalidData(f"rule {self.rule!r} cannot have passed on the figure {self.figure}.")

    def __repr__(self) -> str:
        return f"RuleResult({self.rule}: {'passed' if self.passed else 'failed'}, {self.sentence})"


@dataclass(frozen=True, repr=False)
class GateReport:
    """The gate's verdict on one version: every rule's result, and what it was measured on.

    `artefact` and `holdout` are fingerprints; `champion` is the version it was compared with, None where there was
    none. No results is no pass.

    >>> report = GateReport(name="late", version=2, artefact="sha256:" + "0" * 64, champion=1,
    ...     results=(RuleResult("floor", True, 0.70, 0.65, "AUC 0.70 is at least 0.65."),),
    ...     holdout="sha256:" + "1" * 64, evaluated_at=parse_utc("2014-01-01"))
    >>> report, report.passed, GateReport.from_dict(report.to_dict()) == report
    (GateReport(late v2: passed, 1 of 1 rules), True, True)
    """

    name: str
    version: int
    artefact: str
    results: tuple[RuleResult, ...]
    champion: int | None
    holdout: str
    evaluated_at: datetime
    policy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluated_at", to_utc(self.evaluated_at))
        if not isinstance(self.results, Sequence):
            raise InvalidData(f"the results of a gate report are a list, not {type(self.results).__name__}.")
        object.__setattr__(self, "results", tuple(self.results))
        if not all(isinstance(result, RuleResult) for result in self.results):
            raise InvalidData("the results of a gate report are RuleResult objects.")

    def __repr__(self) -> str:
        good = sum(result.passed for result in self.results)
        verdict = "passed" if self.passed else "failed"
        return f"GateReport({self.name} v{self.version}: {verdict}, {good} of {len(self.results)} rules)"

    @property
    def passed(self) -> bool:
        """Did every rule pass, and was there at least one?"""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def failures(self) -> tuple[RuleResult, ...]:
        """The results that did not pass."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the whole report: an approval is bound to it."""
        return fingerprint_json(self.to_dict())

    def table(self) -> str:
        """The verdict for people: one line a rule with its mark, its name and its sentence.

        >>> GateReport(name="late", version=2, artefact="sha256:0", champion=None, holdout="sha256:1",
        ...     results=(RuleResult("floor", False, 0.64, 0.65, "AUC 0.64 is below 0.65."),),
        ...     evaluated_at=parse_utc("2014-01-01")).table().splitlines()
        ['late v2: refused', '✗ floor  AUC 0.64 is below 0.65.']
        """
        wide = max((len(result.rule) for result in self.results), default=0)
        lines = [f"{'✓' if r.passed else '✗'} {r.rule:<{wide}}  {r.sentence}" for r in self.results]
        return "\n".join([f"{self.name} v{self.version}: {'passed' if self.passed else 'refused'}", *lines])

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; a figure that is not finite is written as the text nan, inf or -inf."""
        return {
            "name": self.name,
            "version": self.version,
            "artefact": self.artefact,
            "passed": self.passed,
            "results": [
                {**vars(result), "figure": _word(result.figure), "bound": _word(result.bound)}
                for result in self.results
            ],
            "champion": self.champion,
            "holdout": self.holdout,
            "evaluated_at": self.evaluated_at.isoformat(),
            "policy": self.policy,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GateReport:
        """The report that `to_dict` wrote.

        Raises:
            InvalidData: something is missing, or the verdict contradicts the results.
        """
        try:
            results = tuple(
                RuleResult(**{**result, "figure": _spoken(result["figure"]), "bound": _spoken(result["bound"])})
                for result in values["results"]
            )
            rest = {key: value for key, value in values.items() if key not in {"results", "passed", "evaluated_at"}}
            report = cls(**rest, results=results, evaluated_at=parse_utc(values["evaluated_at"]))
            passed = values["passed"]
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidData(f"this is no gate report: {type(error).__name__}: {error}.") from None
        if passed is not report.passed:
            raise InvalidData(f"a gate report that says passed={passed} while its results say {report.passed}.")
        return report


def _word(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else repr(value)


def _spoken(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _number(value: Any) -> float | None:
    try:
        if isinstance(value, str):
            raise TypeError
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidData(f"{value!r} is not a figure; give a number or None.") from None
