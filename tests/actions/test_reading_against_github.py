"""Damaged workflow files are taken and refused as GitHub's own parser does, mostly at the same place."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest

from mlops_lab.ci import WorkflowError, parse_workflow

ORACLE = Path(__file__).parent / "oracle"
spec = importlib.util.spec_from_file_location("mutated_workflows", ORACLE / "mutants.py")
mutants = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutants)


def ours(text: str) -> list[tuple[int, int, str]]:
    try:
        parse_workflow(text, root="/nonexistent")
    except WorkflowError as error:
        return [(problem.line, problem.column, problem.reason) for problem in error.problems]
    return []


def npm_only(text: str, problem: list) -> bool:
    """Does the npm parser alone refuse it? Unknown keys below `workflow_dispatch`, and a computed `env`."""
    line, column, reason = problem
    lines = text.split("\n")
    above = next(
        (lines[at] for at in range(line - 2, -1, -1) if lines[at][:1] not in (" ", "") or lines[at][:4] != "  " * 2), ""
    )
    unknown = reason.startswith("Unexpected value") and above.strip() == "workflow_dispatch:" and column >= 5
    return unknown or "BasicExpressionToken' encountered while reading" in reason


def compare(texts: list[str], answers: list[list]) -> tuple[list, int, int]:
    """Texts that only one of the two takes; how many both refuse; how many of those for the same first reason."""
    different, refused, same = [], 0, 0
    for text, theirs in zip(texts, answers, strict=True):
        mine = ours(text)
        if mine and all(reason.startswith(mutants.STRICTER) for _, _, reason in mine) and not theirs:
            continue
        theirs = [] if not mine and all(npm_only(text, problem) for problem in theirs) else theirs
        if bool(mine) != bool(theirs):
            different.append((text, mine, theirs))
        elif mine:
            refused += 1
            places = [(line, column) for line, column, _ in theirs]
            same += any((line, column) in places for line, column, _ in mine)
    return different, refused, same


@pytest.mark.slow
def test_recorded_verdicts_of_githubs_parser_are_ours():
    records = [json.loads(line) for line in mutants.RECORDED.read_text(encoding="utf-8").splitlines()]

    texts = mutants.generate(mutants.SEED, mutants.COUNT)

    different, refused, same = compare(texts, [one["problems"] for one in records])

    assert [mutants.digest(text) for text in texts] == [one["text"] for one in records]
    assert different == []
    assert refused > 200
    assert same > 0.8 * refused  # the rest is broken YAML, of which every reader has its own idea where it breaks


def test_fresh_verdicts_of_githubs_parser_are_ours():
    folder = Path(os.environ.get("MLOPS_LAB_NPM", "."))
    if shutil.which("node") is None or not (folder / "node_modules/@actions/workflow-parser").is_dir():
        pytest.skip("node and @actions/workflow-parser are not installed; set MLOPS_LAB_NPM to a folder that has them")
    texts = mutants.generate(seed=int(os.environ.get("MLOPS_LAB_SEED", "5")), count=400)

    different, _, _ = compare(texts, mutants.ask(texts, folder))

    assert different == []
