"""May this version pass?"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from mlops_lab.base.clock import to_utc
from mlops_lab.base.errors import InvalidData, expect
from mlops_lab.base.fingerprint import fingerprint_json
from mlops_lab.models.gates.measured import Measured
from mlops_lab.models.gates.policy import GatePolicy
from mlops_lab.models.gates.rules import FirstModel, Floor, SliceFloor
from mlops_lab.models.registry import GateReport, ModelVersion, RuleResult

__all__ = ["evaluate_gates"]


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
    ...     name="late", version=1, run_id="r1", artefact="sha256:" + "0" * 64, stage="None", aliases=(), tags={},
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
        artefact=version.artefact,
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
