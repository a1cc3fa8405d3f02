"""The exercises of notebook 03: NaN at a naive gate, a floor for real figures, and a policy of three rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from mlops_lab.base.clock import parse_utc
from mlops_lab.models.gates import DataProfile, GatePolicy, Measured, evaluate_gates
from mlops_lab.models.registry import GateReport, ModelVersion
from mlops_lab.teaching.checks.exercise import asked, expect, read_exercises, yes_or_no

_NAN, _INFINITE = float("nan"), float("inf")
_AT = parse_utc("2013-07-01")


def _predict_naive(answer: Any) -> None:
    expect(isinstance(answer, str), 'give the word it returns, in quotes: "yes" or "no".')
    word = answer.strip().lower()
    expect(word != "no", "for a no, NaN < 0.65 has to be true; every comparison with NaN is false.")
    expect(word != "error", "nothing is raised: Python compares NaN with anything, quietly.")
    expect(word == "yes", 'the function returns one of two words, "yes" or "no".')


def _build_reaches(reaches: Callable[..., Any]) -> None:

    def given(figures: Mapping[str, Any], floor: float) -> Any:
        try:
            answer = asked(reaches, dict(figures), "auc", floor)
        except (KeyError, TypeError):
            return "an error"
        return yes_or_no(answer)

    named = "a figure called auc is asked for, and it is an exception: look up `name`."
    expect(given({"auc": 0.60}, 0.65) != "an error", named)
    missing = "figures without an auc raise an exception: a figure that is missing is a no, not an exception."
    any_figure = "the function is for any figure, not for those from 0 to 1 alone."
    for figures, floor, wanted, said in (
        ({"auc": _NAN}, 0.65, (False, "an error"), "NaN gets through: it is no figure, so it cannot reach anything."),
        ({"auc": 0.70}, 0.65, (True,), "0.70 reaches a floor of 0.65: say True."),
        ({"auc": 0.60}, 0.65, (False,), "0.60 does not reach a floor of 0.65: say False."),
        ({"auc": 0.65}, 0.65, (True,), "a figure exactly at the floor reaches it: the bound is inclusive."),
        ({}, 0.65, (False, True), missing),
        ({}, 0.65, (False,), "a figure that is missing gets through."),
        ({"auc": None}, 0.65, (False, "an error"), 'the figures {"auc": None} get through: None is no measurement.'),
        ({}, 0.0, (False,), "with a floor of 0 a missing figure gets through: a default is an invented figure."),
        ({"auc": _INFINITE}, 0.65, (False,), "an infinite figure gets through: no measurement is infinite."),
        (
            {"auc": None},
            0.65,
            (False,),
            'the figures {"auc": None} raise an exception: a figure that is None is a no, like one that is missing.',
        ),
        ({"auc": 12.0}, 10.0, (True,), f"12 reaches a floor of 10: {any_figure}"),
        ({"auc": -0.5}, -1.0, (True,), f"-0.5 reaches a floor of -1: {any_figure}"),
        ({"auc": 0.2, "other": 0.9}, 0.65, (False,), "only the figure that was asked for counts."),
    ):
        expect(given(figures, floor) in wanted, said)


_KINDS = {"flight_id": "text", "origin": "text", "event_timestamp": "time", "late": "bool"}
_DATA = DataProfile(20_000, _KINDS, dict.fromkeys(_KINDS, 0.0), _AT - timedelta(days=1), _AT)  # as agreed, all of it
_EVERY = {"roc_auc": 0.74, "brier": 0.14, "calibration_error": 0.02}
_AIRPORTS = ("EWR", "JFK", "LGA")
_AUCS = ("roc_auc", *(f"roc_auc.{airport}" for airport in _AIRPORTS))
_CHAMPION = {f"{kind}.{name}": figure for kind in ("offline", "served") for name, figure in _EVERY.items()} | {
    f"{kind}.roc_auc.{part}": figure
    for kind in ("offline", "served")
    for part, figure in zip(_AIRPORTS, (0.73, 0.74, 0.75), strict=True)
}


def _judged(policy: GatePolicy, *, champion: Mapping[str, float] = _CHAMPION, **changed: float) -> GateReport:
    """The policy's report on the champion's twin, changed in some figures (`served_LGA` for served.roc_auc.LGA)."""
    metrics = dict(_CHAMPION)
    for name, figure in changed.items():
        kind, _, part = name.partition("_")
        metrics[f"{kind}.roc_auc" + (f".{part}" if part else "")] = figure
    versions = [
        ModelVersion(
            name="late_flights", version=number, run_id=f"r{number}", artifact=f"sha256:{number:064d}", stage="None",
            aliases=(), tags={}, author="ada", created=_AT, description="",
        )
        for number in (1, 2)
    ]  # fmt: skip
    measured = Measured(metrics, champion=champion, data=_DATA)
    return evaluate_gates(versions[1], versions[0], policy, measured=measured, at=_AT)


def _build_policy(policy: Any) -> None:
    expect(isinstance(policy, GatePolicy), "give a GatePolicy: GatePolicy([one rule, another rule]).")
    leaking = _judged(policy, offline=0.90)
    expect(not leaking.passed, "a model with 0.90 offline and 0.74 as served gets through: compare the two.")
    small = _judged(policy, offline=0.80)
    expect(not small.passed, "a model that loses 0.06 from offline to served gets through: allow less of it.")
    for airport in reversed(_AIRPORTS):
        coin = _judged(policy, champion=_CHAMPION, **{f"served_{airport}": 0.52})
        said = f"a model that is no better than a coin at {airport} gets through: its average hides it."
        expect(not coin.passed, said)
    worse = {f"{kind}{part}": 0.68 for kind in ("offline", "served") for part in ("", "_EWR", "_JFK", "_LGA")}
    said = "a model with 0.68 replaces a champion with 0.74: 0.06 is no chance."
    expect(not _judged(policy, champion=_CHAMPION, **worse).passed, said)
    better = _CHAMPION | {f"served.{name}": _CHAMPION[f"served.{name}"] + 0.08 for name in _AUCS}
    said = (
        "a model with 0.74 as served replaces a champion with 0.82 as served; offline both have 0.74. Compare the two "
        "by served.roc_auc, with NoWorseThanChampion: a fixed floor, or an offline figure, does not see it."
    )
    expect(not _judged(policy, champion=better).passed, said)
    twin = _judged(policy)
    reason = twin.failures[0].sentence if twin.failures else ""
    names = " The figures are called served.roc_auc and offline.roc_auc; ServedSkew takes the plain roc_auc."
    said = f"the champion itself, trained again, is refused: {reason}{names * ('not measured' in reason)}"
    expect(twin.passed, said)


EXERCISES = read_exercises("nb03.toml", {"03.1": _predict_naive, "03.2": _build_reaches, "03.3": _build_policy})
