"""A gate's policy: its demands, how they are written down, and the verdict on a version."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.base.clock import to_utc
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, UnknownName, expect
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.models.gates.measured import Freshness, Measured, NullRate, RowCount, Schema
from mlops_lab.models.gates.rules import (
    Calibration,
    FirstModel,
    Floor,
    NoWorseThanChampion,
    Rule,
    ServedSkew,
    SliceFloor,
)
from mlops_lab.models.registry import GateReport, ModelVersion, RuleResult

#: The rules that look at the data, and not at a figure of the model.
DATA_RULES = (Schema, RowCount, NullRate, Freshness)

#: Every rule by its name, as a policy file names it.
RULES: Mapping[str, type[Any]] = {
    rule.rule: rule
    for rule in (
        Floor,
        FirstModel,
        NoWorseThanChampion,
        SliceFloor,
        Calibration,
        ServedSkew,
        *DATA_RULES,
    )
}


@dataclass(frozen=True, repr=False)
class GatePolicy:
    """The demands of a gate, in the order they are reported.

    >>> policy = GatePolicy([Floor("served.roc_auc", 0.65), ServedSkew("roc_auc", 0.02)])
    >>> policy
    GatePolicy(floor, served_skew)
    >>> GatePolicy.from_dict(policy.to_dict()) == policy
    True
    """

    rules: Sequence[Rule]

    def __post_init__(self) -> None:
        if not isinstance(self.rules, Sequence):
            raise InvalidDefinition(f"a policy takes a list of rules, not {type(self.rules).__name__}.")
        object.__setattr__(self, "rules", tuple(self.rules))
        if not self.rules:
            raise InvalidDefinition("a policy without rules lets everything pass; give it at least one rule.")
        for rule in self.rules:
            if type(rule) not in RULES.values():
                raise UnknownName("rule", type(rule).__name__, [kind.__name__ for kind in RULES.values()])

    def to_dict(self) -> dict[str, Any]:
        """The policy as JSON values, as a policy file holds it; durations are seconds."""
        return {"rules": [{"rule": rule.rule} | _settings(rule) for rule in self.rules]}

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the demands; a report says by which policy it judged."""
        return fingerprint_json(self.to_dict())

    @classmethod
    def from_dict(cls, found: Any) -> GatePolicy:
        """The policy that a file holds.

        Raises:
            UnknownName: a rule or a setting of one that does not exist.
            InvalidDefinition: not the form of a policy, a setting is missing or cannot be what it is.
        """
        if not isinstance(found, Mapping) or not isinstance(found.get("rules"), list):
            raise InvalidDefinition(
                "a policy is a mapping with a list called 'rules'; each rule says its name as 'rule'."
            )
        for key in found:
            if key != "rules":
                raise UnknownName("setting", key, ["rules"], where="the policy")
        return cls([_rule(entry, at) for at, entry in enumerate(found["rules"], 1)])

    def __repr__(self) -> str:
        return f"GatePolicy({', '.join(rule.rule for rule in self.rules)})"


def _settings(rule: Any) -> dict[str, Any]:
    found = {each.name: _plain(getattr(rule, each.name)) for each in fields(rule)}
    return {name: value for name, value in found.items() if (name, value) != ("higher_is_better", None)}


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _rule(entry: Any, at: int) -> Rule:
    if not isinstance(entry, Mapping) or "rule" not in entry:
        raise InvalidDefinition(f"rule {at} of the policy has no name; write it as 'rule: floor', for example.")
    name = str(entry["rule"])
    if name not in RULES:
        raise UnknownName("rule", name, RULES, where="the policy")
    kind = RULES[name]
    settings = {str(key): value for key, value in entry.items() if key != "rule"}
    known = [f.name for f in fields(kind)]
    for key in settings:
        if key not in known:
            raise UnknownName("setting", key, known, where=f"rule {name!r}")
    if not isinstance(settings.get("metric", ""), str):
        raise InvalidDefinition(f"rule {at} ({name}): a metric is a name, not {settings['metric']!r}.")
    try:
        if kind is Freshness and not isinstance(age := settings.get("at_most"), bool | timedelta | None):
            settings["at_most"] = timedelta(seconds=age)
        rule: Rule = kind(**settings)
    except (OverflowError, TypeError, ValueError) as error:
        if isinstance(error, MlopsLabError):
            raise
        needed = ", ".join(known)
        raise InvalidDefinition(f"rule {at} ({name}) is incomplete or has a wrong type; it takes: {needed}.") from None
    return rule


def evaluate_gates(
    version: ModelVersion,
    champion: ModelVersion | None,
    policy: GatePolicy,
    *,
    measured: Measured,
    at: datetime,
) -> GateReport:
    """Judge a version by every rule of a policy, and say why.

    The verdict is a pure function of its arguments: no clock, no chance, nothing read from disk. All rules are
    judged, also after the first that fails, because whoever has to mend the model wants to know everything.

    Args:
        version: the challenger.
        champion: the version in production, or None for a first model.
        policy: what is demanded.
        measured: what was measured of both on the same holdout.
        at: when the verdict is given, timezone-aware.

    Raises:
        InvalidData: one of them is something else, or the champion is of another model.

    Returns:
        The report: it passed when every rule did.

    >>> from mlops_lab.base.clock import parse_utc
    >>> moment = parse_utc("2014-01-01")
    >>> version = ModelVersion(
    ...     name="late", version=1, run_id="r1", artifact="sha256:" + "0" * 64, stage="None", aliases=(), tags={},
    ...     author="ada", created=moment, description="",
    ... )
    >>> policy, measured = GatePolicy([Floor("served.roc_auc", 0.65)]), Measured({"served.roc_auc": 0.6})
    >>> report = evaluate_gates(version, None, policy, measured=measured, at=moment)
    >>> report.passed, report.results[0].sentence
    (False, 'served.roc_auc is 0.600, below the floor of 0.650.')
    """
    for each in (version, *([champion] if champion is not None else [])):
        if expect(each, ModelVersion, "what is judged, and the champion,").name != version.name:
            raise InvalidData(f"{champion!r} is no champion for {version!r}: it is a version of another model.")
    expect(policy, GatePolicy, "what is demanded")
    expect(measured, Measured, "what was measured")
    if champion is None:
        measured = replace(measured, champion=None)
    elif measured.champion is None:
        measured = replace(measured, champion={})  # there is one, and nobody scored it: rules must see that
    results = [rule.judge(measured) for rule in policy.rules]
    if champion is None and not any(isinstance(rule, Floor | FirstModel | SliceFloor) for rule in policy.rules):
        sentence = "There is no champion to be compared with, and the policy has no floor: nothing says this is good."
        results.append(RuleResult("first_model", False, None, None, sentence))
    return GateReport(
        name=version.name,
        version=version.version,
        artifact=version.artifact,
        results=tuple(results),
        champion=champion.version if champion else None,
        holdout=measured.holdout,
        evaluated_at=to_utc(at),
        policy=policy.fingerprint,
        metrics=_figures(measured.metrics),
        champion_metrics=None if champion is None else _figures(measured.champion or {}),
        data="" if measured.data is None else fingerprint_json(measured.data.to_dict()),
    )


def _figures(values: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, value in values.items():
        with suppress(OverflowError):  # what is no number, or too large for one, is no figure: no rule has passed on it
            if not isinstance(value, bool) and isinstance(value, numbers.Real):
                found[str(name)] = float(value)
    return found
