"""Which demands does a gate make, and how are they written down?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from mlops_lab.base.errors import InvalidDefinition, MlopsLabError, UnknownName
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.models.gates.contract import Freshness, NullRate, RowCount, Schema
from mlops_lab.models.gates.rules import (
    Calibration,
    FirstModel,
    Floor,
    NoWorseThanChampion,
    Rule,
    ServedSkew,
    SliceFloor,
)

__all__ = ["RULES", "GatePolicy"]

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
        Schema,
        RowCount,
        NullRate,
        Freshness,
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
