"""The evaluator gives the answers of GitHub's own package, kind, value and error text alike."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shutil
from pathlib import Path

import pytest

from mlops_lab.ci.expressions import ExpressionError, evaluate
from mlops_lab.ci.expressions.values import kind_of, number_text, to_text

ORACLE = Path(__file__).parent / "oracle"
spec = importlib.util.spec_from_file_location("generated_expressions", ORACLE / "generated.py")
generated = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generated)


def node_folder() -> Path | None:
    """Where GitHub's package is installed, if it is: the folder of MLOPS_LAB_NPM, or this one or one above it."""
    folders = [Path(os.environ["MLOPS_LAB_NPM"])] if "MLOPS_LAB_NPM" in os.environ else list(ORACLE.parents)
    installed = (folder for folder in folders if (folder / "node_modules/@actions/expressions").is_dir())
    return next(installed, None) if shutil.which("node") else None


def shown(value: object) -> list:
    """A value in the authority's notation."""
    kind = kind_of(value)
    if kind == "Null":
        return [kind]
    if kind == "Number":
        number = float(value)
        return [kind, "-0" if number == 0 and math.copysign(1, number) < 0 else number_text(number)]
    if kind == "Array":
        return [kind, [shown(item) for item in value]]
    if kind == "Object":
        return [kind, sorted([key, shown(item)] for key, item in value.items())]
    return [kind, value]


def sorted_objects(value: list) -> list:
    """JavaScript puts keys that look like numbers first; the order of keys is not what is compared here."""
    if value[0] == "Object":
        return [value[0], sorted([key, sorted_objects(item)] for key, item in value[1])]
    return [value[0], [sorted_objects(item) for item in value[1]]] if value[0] == "Array" else value


def ours(expression: str) -> dict:
    try:
        value = evaluate(expression, generated.CONTEXTS)
    except ExpressionError as error:
        return {"stage": error.stage, "error": str(error)}
    return {"value": shown(value), "text": to_text(value)}


def served(answer: object) -> object:
    """An answer with its numbers as GitHub's servers print them: the npm package prints them as JavaScript does."""
    if isinstance(answer, dict):
        return {key: served(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [served(item) for item in answer]
    number = r"-?\d+(?:\.\d+)?(?:[eE][+-]\d+)?"
    return re.sub(number, lambda found: number_text(float(found[0])), answer) if isinstance(answer, str) else answer


def differences(cases: list[dict]) -> list[tuple[str, dict, dict]]:
    found = []
    for case in cases:
        expression, theirs = case["expression"], {key: case[key] for key in case if key != "expression"}
        if "value" in theirs:
            theirs["value"] = sorted_objects(theirs["value"])
        if (mine := ours(expression)) != theirs and served(mine) != served(theirs):
            found.append((expression, mine, theirs))
    return found


def test_recorded_answers_of_githubs_package_are_ours():
    lines = generated.RECORDED.read_text(encoding="utf-8").splitlines()

    found = differences([json.loads(line) for line in lines])

    assert len(lines) == 3000
    assert found == []


def test_fresh_answers_of_githubs_package_are_ours():
    folder = node_folder()
    if folder is None:
        pytest.skip("node and @actions/expressions are not installed; set MLOPS_LAB_NPM to a folder that has them")
    expressions = generated.generate(seed=int(os.environ.get("MLOPS_LAB_SEED", "7")), count=4000)

    answers = generated.ask(expressions, folder)

    found = differences([{"expression": text, **answer} for text, answer in zip(expressions, answers, strict=True)])
    assert found == []


def test_the_comparison_sees_a_wrong_answer():
    lie = {"expression": "1 == 1", "value": ["Boolean", False], "text": "false"}

    found = differences([lie])

    assert [expression for expression, _, _ in found] == ["1 == 1"]
