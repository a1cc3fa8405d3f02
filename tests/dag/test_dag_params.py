"""Are params typed, bounded and read from the command line as declared?"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pytest

from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.pipeline.dag import REQUIRED, Param, parse_params, resolve_params

DECLARED = {
    "features": Param("as_known", enum=["as_known", "daily_averages"]),
    "trees": Param(100, minimum=1, maximum=500),
    "floor": Param(0.65, minimum=0, maximum=1),
    "dry_run": Param(False),
    "until": Param("2013-09-01", type="date", maximum=date(2013, 12, 31)),
    "note": Param(None, type="string"),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("features=daily_averages", "daily_averages"),
        ("trees=30", 30),
        ("trees= 30 ", 30),
        ("floor=1", 1.0),
        ("floor=7e-1", 0.7),
        ("dry_run=yes", True),
        ("dry_run=0", False),
        ("until=2013-10-31", "2013-10-31"),
        ("note=", ""),
        ("note=a=b", "a=b"),
        ("note=null", None),
    ],
)
def test_a_text_is_read_by_its_type(text: str, value: object) -> None:
    parsed = parse_params(DECLARED, [text])[text.partition("=")[0]]

    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["trees=many"], "param trees must be a whole number, not 'many'"),
        (["trees=0"], "at least 1 and at most 500, not 0"),
        (["trees=1.5"], "a whole number"),
        (["floor=nan"], "a finite number"),
        (["floor=1.01"], "at most 1.0"),
        (["dry_run=maybe"], "true or false"),
        (["until=2013-02-30"], "a date like 2013-09-01"),
        (["until=20130901"], "a date like"),
        (["until=2014-01-01"], "at most 2013-12-31"),
        (["features=daily"], "one of 'as_known', 'daily_averages'"),
        (["trees"], "write it as name=value"),
        (["trees=1", "trees=2"], "given twice"),
    ],
    ids=lambda each: "+".join(each) if isinstance(each, list) else "",
)
def test_a_text_that_does_not_fit_is_refused_with_what_was_expected(texts: list[str], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        parse_params(DECLARED, texts)


@pytest.mark.parametrize("ask", [lambda d: parse_params(d, ["tree=3"]), lambda d: resolve_params(d, {"tree": 3})])
def test_an_unknown_param_is_refused_with_the_closest(ask: Any) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'trees'"):
        ask(DECLARED)


@pytest.mark.parametrize("trees", [np.int64(7), 7.0])
def test_values_given_replace_defaults_and_are_plain_json(trees: Any) -> None:
    given = {"trees": trees, "until": date(2013, 9, 2), "floor": np.float64(0.5), "dry_run": np.bool_(True)}

    values = resolve_params(DECLARED, given)

    assert values == {
        "features": "as_known",
        "trees": 7,
        "floor": 0.5,
        "dry_run": True,
        "until": "2013-09-02",
        "note": None,
    }
    assert [type(each) for each in values.values()] == [str, int, float, bool, str, type(None)]


@pytest.mark.parametrize(
    "given",
    [
        {"trees": True},
        {"trees": "3"},
        {"trees": None},
        {"trees": 10**400},
        {"dry_run": 1},
        {"floor": float("inf")},
        {"floor": 10**400},
        {"features": 3},
        {"until": datetime(2013, 9, 1)},  # noqa: DTZ001
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(InvalidData, match="param"):
        resolve_params(DECLARED, given)


def test_a_required_param_must_be_given() -> None:
    declared = {"month": Param(type="integer")}

    assert declared["month"].default is REQUIRED
    assert resolve_params(declared, {"month": 3}) == {"month": 3}
    with pytest.raises(InvalidData, match="month has no default"):
        resolve_params(declared, {})


@pytest.mark.parametrize(
    "settings",
    [
        {"type": "float"},
        {},
        {"default": None},
        {"default": 0, "minimum": 1},
        {"default": "x", "enum": ["y"]},
        {"default": "x", "minimum": 1},
        {"default": True, "minimum": 0},
        {"default": 1, "maximum": "ten"},
        {"default": [1]},
    ],
    ids=str,
)
def test_a_param_that_contradicts_itself_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinition):
        Param(**settings)
