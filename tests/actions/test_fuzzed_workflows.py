"""Mutated workflows: whatever is in a file, it ends soon, in little memory, and in our own errors alone.

By day a few mutants of a fixed seed, at night thousands of a fresh one, which a failure prints.
"""

from __future__ import annotations

import os
import random
import re
import time
import tracemalloc
from pathlib import Path

import pytest

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci import Environment, Outcome, Review, Trigger, parse_workflow, simulate
from mlops_lab.ci.loading import suspicions
from mlops_lab.teaching.drawing.workflow import draw_workflow

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEGABYTES = 2.0, 300
SMALL = """\
on:
  push: {branches: [main, 'releases/**'], paths-ignore: ['docs/**']}
  workflow_dispatch: {inputs: {tag: {type: choice, options: [a, b]}, n: {type: number}, yes: {type: boolean}}}
  schedule: [{cron: '0 9 * * 1', timezone: Europe/Berlin}]
  pull_request: {types: [opened]}
env: {A: "${{ github.ref }}"}
concurrency: {group: "g-${{ github.ref }}", cancel-in-progress: true}
jobs:
  a:
    runs-on: ${{ matrix.os }}
    strategy: {max-parallel: 2, matrix: {os: [x, y], v: [1, "${{ fromJSON('[1]') }}"], exclude: [{os: x, v: 1}]}}
    outputs: {m: "${{ steps.s.outputs.m }}"}
    steps:
      - {id: s, run: "echo ${{ toJSON(matrix) }}", if: "always() && github.event_name != 'x'", timeout-minutes: 5}
      - {uses: actions/checkout@v4, with: {ref: "${{ inputs.tag }}"}, continue-on-error: true}
  b:
    {needs: a, if: "${{ !cancelled() }}", runs-on: [s, "${{ vars.R }}"], environment: prod, steps: [{run: b}]}
  c: {needs: [a, b], uses: o/r/.github/workflows/x.yml@v1, with: {n: 1}, secrets: inherit}
"""
WORKFLOWS = ROOT / ".github/workflows"
SEEDS = [SMALL, *(path.read_text("utf-8") for path in sorted(WORKFLOWS.glob("*.yml")))]
HOSTILE = [
    "${{", "}}", "${{ github }}", "${{ fromJSON('[[[') }}", "${{ format('{0}{0}', toJSON(github)) }}", "'", '"', "\\",
    "\0", "&a", "*a", "<<: *a", "!!python/object:os.system", "|", ">-", "- ", "? ", ": ", "{", "}", "[", "]", "\t",
    "\ufeff", "\u2028", "\ud83d\ude00", "0x" + "f" * 300, "1e999", ".nan", "-.inf", "0o17", "~", "null", "true",
    "9" * 400, "*a*b*" * 8, "${{ " + "!" * 60 + "true }}", "${{ " + "(" * 60 + "1" + ")" * 60 + " }}", "a" * 3000,
    "${{ hashFiles('**') }}", "${{ insert }}", "${{ needs.*.result }}", "${{ secrets.X }}", "${{ case(true, 1) }}",
    "on:", "jobs:", "needs: [a, b, c]", "strategy: {matrix: {x: [" + ", ".join(map(str, range(300))) + "]}}",
    "timeout-minutes: 1e308", "max-parallel: .nan", "environment: ''", "concurrency: ''", "cron: '*/0 * * * *'",
    "wait: a", "background: true",
]  # fmt: skip


def mutant(chance: random.Random) -> str:
    """A seed with a few pieces cut, doubled, swapped, retyped or replaced."""
    text = chance.choice([SMALL, chance.choice(SEEDS)])
    for _ in range(chance.choice([1, 1, 1, 2, 4, 8])):
        tokens = re.split(r"(\s+|[:{}\[\],'\"]|\$\{\{|\}\})", text)
        at, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
        match chance.randrange(8):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] = tokens[other]
            case 2:
                tokens[at] += tokens[at]
            case 3:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 4 | 5:
                tokens[at] = chance.choice(HOSTILE)
            case 6:
                tokens.insert(at, chance.choice(HOSTILE))
            case 7:
                lines = "".join(tokens).splitlines(keepends=True)
                start = chance.randrange(len(lines))
                lines[start : start + chance.randint(0, 3)] = chance.choices(lines, k=chance.randint(0, 3))
                tokens = lines
        text = "".join(tokens)
    return text


def tried(text: str, chance: random.Random, *, draw: bool = True) -> str:
    """What came of it; an error that is none of ours escapes."""
    try:
        workflow = parse_workflow(text, root="/nonexistent")
    except MlopsLabError:
        return "refused"
    if draw:
        draw_workflow(workflow)
    list(suspicions(workflow))
    event = chance.choice(["push", *workflow.events])
    trigger = Trigger(
        event, ref=chance.choice(["refs/heads/main", "refs/tags/v1", "refs/pull/1/merge"]), paths=["docs/a"]
    )
    outcomes = {name: Outcome(chance.choice(["success", "failure"]), outputs={"m": "[1]"}) for name in workflow.jobs}
    try:
        run = simulate(
            workflow,
            trigger,
            outcomes=outcomes,
            environments={"prod": Environment("prod", reviewers=("ada",), wait_timer=5)},
            approvals=[Review("prod", by="ada")],
        )
    except MlopsLabError:
        return "not run"
    run.outline()
    if draw:
        draw_workflow(workflow, run)
    return str(run.conclusion or run.status)


def slowness() -> float:
    """How much slower this processor is now than an idle one of 2024, which adds 4 million numbers in 0.1 s."""
    begun = time.process_time()
    sum(number for number in range(4_000_000))
    return max(1.0, (time.process_time() - begun) / 0.1)


def hunt(seed: int, count: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")  # noqa: S311
        text, begun = mutant(chance), time.process_time()
        try:
            ended = tried(text, chance)
        except Exception as error:
            raise AssertionError(f"seed {seed}/{number}: {type(error).__name__}: {error}\n{text}") from error
        took = time.process_time() - begun
        assert took < SECONDS or took < SECONDS * slowness(), f"seed {seed}/{number} took {took:.1f} s:\n{text}"
        found[ended] = found.get(ended, 0) + 1
    return found


def test_mutants_end_in_our_errors_or_in_a_run():
    found = hunt(17, 60)

    assert {"refused", "failure", "not_triggered"} <= set(found)


@pytest.mark.nightly
def test_thousands_of_mutants_end_in_our_errors_or_in_a_run():
    found = hunt(int(os.environ.get("MLOPS_LAB_SEED", time.time_ns() % 10**9)), 3000)

    assert min(found[ended] for ended in ("refused", "not run", "failure", "not_triggered")) > 10


def jobs(count: int, line: str = "    steps: [{run: a}]", needs: bool = False) -> str:
    texts = [
        f"  j{i}:\n    runs-on: x\n{f'    needs: j{i - 1}{chr(10)}' if needs and i else ''}{line}\n"
        for i in range(count)
    ]
    return "on: push\njobs:\n" + "".join(texts)


MATRIX = "{v: [" + ", ".join(map(str, range(256))) + "]}"
LARGE = {
    "jobs": jobs(3000),
    "a chain of jobs": jobs(3000, needs=True),
    "31 matrices of 256": jobs(31, f"    strategy: {{matrix: {MATRIX}}}\n    steps: [{{run: a}}]"),
    "steps": "on: push\njobs: {a: {runs-on: x, steps: [" + "{run: a}, " * 1000 + "]}}",
    "one long script": "on: push\njobs: {a: {runs-on: x, steps: [{run: '" + "a b\n\n" * 150_000 + "'}]}}",
    "a text of expressions": "on: push\njobs: {a: {runs-on: x, steps: [{run: \"" + "${{ 1 }}" * 2600 + '"}]}}',
    "comments": "# a\n" * 250_000 + SMALL,
    "aliases": "on: push\nenv: &a {A: b}\njobs:\n" + "".join(f"  j{i}: {{env: *a, runs-on: x}}\n" for i in range(5000)),
    "quotes": "on: push\njobs: {a: {runs-on: x, if: \"" + "'' == " * 3000 + "''\"}}",
    "brackets": "[" * 500_000,
    "braces": "{a: " * 250_000,
    "keys": "on: push\n" + "".join(f"k{i}: 1\n" for i in range(40_000)),
    "globs": "on: {push: {branches: ['" + "*a" * 5000 + "']}}\njobs: {a: {runs-on: x, steps: [{run: a}]}}",
    "includes": jobs(1, "    strategy: {matrix: {v: [1], include: [" + "{v: 1, w: 2}, " * 5000 + "]}}"),
}  # fmt: skip


@pytest.mark.nightly
@pytest.mark.parametrize("name", LARGE)
def test_a_file_of_a_megabyte_ends_soon_and_in_little_memory(name):
    text = LARGE[name]
    assert len(text) <= 1024 * 1024

    begun = time.process_time()
    tried(text, random.Random(1), draw=False)  # noqa: S311
    took = time.process_time() - begun
    tracemalloc.start()
    tried(text, random.Random(1), draw=False)  # noqa: S311
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()

    assert (took < SECONDS or took < SECONDS * slowness(), most < MEGABYTES) == (True, True), (
        f"{took:.1f} s, {most:.0f} MB"
    )
