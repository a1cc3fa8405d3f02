"""Each rule passes at its bound, fails beyond it, and fails whatever was not measured."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.models.gates import (
    Calibration,
    DataProfile,
    FirstModel,
    Floor,
    Freshness,
    Measured,
    NoWorseThanChampion,
    NullRate,
    RowCount,
    Schema,
    ServedSkew,
    SliceFloor,
)

NOW = parse_utc("2014-01-01")
GOOD = {
    "offline.roc_auc": 0.70,
    "served.roc_auc": 0.70,
    "served.roc_auc.EWR": 0.71,
    "served.roc_auc.JFK": 0.69,
    "served.calibration_error": 0.02,
    "served.brier": 0.16,
}
DATA = DataProfile(1000, {"temp": "number", "origin": "text"}, {"temp": 0.1, "origin": 0.0}, NOW, NOW)
RULES_AND_FIGURES = [
    (Floor("served.roc_auc", 0.65), "served.roc_auc"),
    (Floor("served.brier", 0.2), "served.brier"),
    (FirstModel("served.roc_auc", 0.65), "served.roc_auc"),
    (SliceFloor("served.roc_auc", 0.65, slices=("EWR", "JFK")), "served.roc_auc.JFK"),
    (Calibration(0.05), "served.calibration_error"),
    (ServedSkew("roc_auc", 0.02), "served.roc_auc"),
    (ServedSkew("roc_auc", 0.02), "offline.roc_auc"),
]


def _id(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "rule", repr(value))


@pytest.mark.parametrize(("rule", "figure"), RULES_AND_FIGURES, ids=_id)
def test_a_good_model_passes(rule: Floor, figure: str) -> None:
    assert rule.judge(Measured(GOOD)).passed


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, -math.inf, "0.9", True], ids=str)
@pytest.mark.parametrize(("rule", "figure"), RULES_AND_FIGURES, ids=_id)
def test_what_is_no_measurement_fails_and_is_named(rule: Floor, figure: str, bad: object) -> None:
    metrics = {**GOOD, figure: bad}
    if bad is None:
        del metrics[figure]

    result = rule.judge(Measured(metrics))  # type: ignore[arg-type]

    assert not result.passed
    assert figure in result.sentence


@pytest.mark.parametrize(
    ("rule", "metrics", "passed"),
    [
        pytest.param(Floor("served.roc_auc", 0.65), {"served.roc_auc": 0.65}, True, id="floor-exactly"),
        pytest.param(Floor("served.roc_auc", 0.65), {"served.roc_auc": 0.6499999}, False, id="floor-just-below"),
        pytest.param(Floor("served.brier", 0.2), {"served.brier": 0.2}, True, id="ceiling-exactly"),
        pytest.param(Floor("served.brier", 0.2), {"served.brier": 0.2000001}, False, id="ceiling-just-above"),
        pytest.param(Floor("served.brier.EWR", 0.2), {"served.brier.EWR": 0.3}, False, id="ceiling-of-a-slice"),
        pytest.param(Calibration(0.05), {"served.calibration_error": 0.051}, False, id="calibration-above"),
        pytest.param(
            ServedSkew("roc_auc", 0.02), {"offline.roc_auc": 0.72, "served.roc_auc": 0.70}, True, id="skew-exactly"
        ),
        pytest.param(
            ServedSkew("roc_auc", 0.02), {"offline.roc_auc": 0.89, "served.roc_auc": 0.64}, False, id="skew-of-a-leak"
        ),
        pytest.param(
            ServedSkew("roc_auc", 0.02), {"offline.roc_auc": 0.6, "served.roc_auc": 0.7}, True, id="served-is-better"
        ),
        pytest.param(ServedSkew("brier", 0.02), {"offline.brier": 0.1, "served.brier": 0.2}, False, id="skew-of-brier"),
        pytest.param(
            SliceFloor("served.roc_auc", 0.65, slices=("EWR", "JFK", "LGA")),
            {"served.roc_auc.EWR": 0.9, "served.roc_auc.JFK": 0.9},
            False,
            id="slice-not-measured",
        ),
    ],
)
def test_bounds_are_inclusive(rule: Floor, metrics: dict[str, float], passed: bool) -> None:
    assert rule.judge(Measured(metrics)).passed is passed


@given(figure=st.floats(0, 1), margin=st.floats(0, 1))
def test_the_same_model_retrained_always_passes_against_itself(figure: float, margin: float) -> None:
    same = {"served.roc_auc": figure, "served.brier": figure}

    for metric in same:
        assert NoWorseThanChampion(metric, margin).judge(Measured(same, champion=same)).passed


@given(figure=st.floats(0, 1), champion=st.floats(0, 1), margin=st.floats(0, 0.5))
def test_the_margin_is_kept_in_the_direction_that_is_worse(figure: float, champion: float, margin: float) -> None:
    measured = Measured({"roc_auc": figure, "brier": figure}, champion={"roc_auc": champion, "brier": champion})

    by_auc = NoWorseThanChampion("roc_auc", margin).judge(measured).passed
    by_brier = NoWorseThanChampion("brier", margin).judge(measured).passed

    assert by_auc == (champion - figure <= margin + 1e-9)
    assert by_brier == (figure - champion <= margin + 1e-9)


def test_a_champion_that_nobody_scored_fails_the_comparison() -> None:
    result = NoWorseThanChampion("served.roc_auc", 0.01).judge(Measured(GOOD, champion={}))

    assert not result.passed
    assert "champion was not measured" in result.sentence


def test_a_first_model_passes_the_comparison_and_is_judged_by_the_first_model_rule() -> None:
    weak = Measured({"served.roc_auc": 0.55})

    assert NoWorseThanChampion("served.roc_auc", 0.01).judge(weak).passed
    assert not FirstModel("served.roc_auc", 0.6).judge(weak).passed
    assert FirstModel("served.roc_auc", 0.6).judge(Measured({"served.roc_auc": 0.55}, champion=GOOD)).passed


@pytest.mark.parametrize(
    ("rule", "data", "passed"),
    [
        pytest.param(Schema({"temp": "number"}), DATA, True, id="schema-kept"),
        pytest.param(Schema({"temp": "text"}), DATA, False, id="schema-other-kind"),
        pytest.param(Schema({"visib": "number"}), DATA, False, id="schema-column-missing"),
        pytest.param(RowCount(1000), DATA, True, id="rows-exactly"),
        pytest.param(RowCount(1001), DATA, False, id="rows-one-short"),
        pytest.param(NullRate(0.1), DATA, True, id="nulls-exactly"),
        pytest.param(NullRate(0.09), DATA, False, id="nulls-above"),
        pytest.param(NullRate(0.5, columns=("gone",)), DATA, False, id="nulls-of-a-missing-column"),
        pytest.param(NullRate(0.5), DataProfile(0, {}, {}, None, NOW), False, id="nulls-of-nothing"),
        pytest.param(Freshness(timedelta(0)), DATA, True, id="fresh-exactly"),
        pytest.param(
            Freshness(timedelta(days=1)),
            DataProfile(1, {}, {}, NOW - timedelta(days=1, seconds=1), NOW),
            False,
            id="a-second-too-old",
        ),
        pytest.param(
            Freshness(timedelta(days=1)),
            DataProfile(1, {}, {}, NOW + timedelta(days=1), NOW),
            False,
            id="from-the-future",
        ),
        pytest.param(Freshness(timedelta(days=1)), DataProfile(1, {}, {}, None, NOW), False, id="no-time-at-all"),
    ],
)
def test_a_data_contract_is_kept_or_broken(rule: Schema, data: DataProfile, passed: bool) -> None:
    assert rule.judge(Measured({}, data=data)).passed is passed


@pytest.mark.parametrize(
    "rule",
    [Schema({"a": "text"}), RowCount(1), NullRate(0.5), Freshness(timedelta(days=1))],
    ids=lambda rule: rule.rule,
)
def test_data_that_nobody_looked_at_fails(rule: Schema) -> None:
    assert not rule.judge(Measured(GOOD)).passed


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Floor("a", math.nan), id="nan-floor"),
        pytest.param(lambda: NoWorseThanChampion("a", -0.1), id="negative-margin"),
        pytest.param(lambda: Calibration(1.5), id="calibration-above-one"),
        pytest.param(lambda: ServedSkew("a", math.inf), id="infinite-skew"),
        pytest.param(lambda: SliceFloor("a", 0.5, slices=()), id="no-slices"),
        pytest.param(lambda: SliceFloor("a", 0.5, slices="EWR"), id="slices-as-text"),
        pytest.param(lambda: Schema({"a": "float"}), id="unknown-kind"),
        pytest.param(lambda: RowCount(-1), id="negative-rows"),
        pytest.param(lambda: NullRate(1.1), id="null-rate-above-one"),
        pytest.param(lambda: Freshness(timedelta(days=-1)), id="negative-age"),
    ],
)
def test_a_bound_that_could_never_judge_is_refused(make: object) -> None:
    with pytest.raises(InvalidDefinition):
        make()  # type: ignore[operator]
