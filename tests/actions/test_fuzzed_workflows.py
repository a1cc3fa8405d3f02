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

from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.ci import (
    Environment,
    Outcome,
    Review,
    Trigger,
    evaluate,
    expand_matrix,
    load_workflow,
    parse_workflow,
    simulate,
    simulate_chain,
)
from mlops_lab.ci.globs import file_matches, glob_matches
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
        event,
        ref=chance.choice(["refs/heads/main", "refs/tags/v1", "refs/pull/1/merge", "refs/heads/" + "ab/" * 80]),
        paths=["docs/a"],
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


JOBS = "\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n"
ROW = "[" + ", ".join(map(str, range(160))) + "]"
PAIRS = "[" + ", ".join(f"{{a: {i % 160}, b: {i * 7 % 160}}}" for i in range(6500)) + "]"
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
    "a cycle of jobs": "on: push\njobs:\n" + "".join(
        f"  j{i}: {{runs-on: x, needs: [j{(i + 1) % 2000}, j{(i + 2) % 2000}]}}\n" for i in range(2000)
    ),
    "everybody needs everybody": "on: push\njobs:\n" + "".join(
        f"  j{i}: {{runs-on: x, needs: [{', '.join(f'j{k}' for k in range(180))}]}}\n" for i in range(180)
    ),
    "needs that are nobody": "on: push\njobs:\n" + "".join(
        f"  {'a' * 60}{i}: {{runs-on: x, needs: {'a' * 60}x{i}}}\n" for i in range(2500)
    ),
    "schedules": "on: {schedule: [" + "{cron: '*/5 * * * *'}, " * 9000 + "]}" + JOBS,
    "excludes": jobs(1, f"    strategy: {{matrix: {{a: {ROW}, b: {ROW}, exclude: {PAIRS}}}}}"),
    "includes that add": jobs(1, f"    strategy: {{matrix: {{a: {ROW}, include: {PAIRS}}}}}"),
    "includes for all": jobs(1, f"    strategy: {{matrix: {{a: {ROW}, include: {PAIRS.replace('a:', 'z:')}}}}}"),
    "steps without a name": jobs(12, "    steps: [" + "{run: a}, " * 999 + "]"),
    "long conditions": jobs(50, "    if: \"" + "true && " * 2500 + "true\""),
    "many expressions": jobs(45, "    steps: [{run: \"" + "${{ 1 }}" * 2600 + "\"}]"),
    "formats in formats": jobs(400, "    if: \"" + "format('{0}{0}', " * 15 + "'a'" + ")" * 15 + "\""),
    "anchors": "on: push\nx: [" + ", ".join(f"&a{i} b" for i in range(49_000)) + "]" + JOBS,
    "tags": "on: push\nx: [" + "!!str a, " * 49_000 + "]" + JOBS,
    "wildcards": "on: {push: {branches: ['" + "*a?b+[c]" * 100_000 + "']}}" + JOBS,
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


def soon(seed: object, action) -> None:
    """Ends in time, with an answer or with an error of ours."""
    begun = time.process_time()
    try:
        action()
    except MlopsLabError:
        pass
    except Exception as error:
        raise AssertionError(f"{seed}: {type(error).__name__}: {error}") from error
    took = time.process_time() - begun
    assert took < SECONDS or took < SECONDS * slowness(), f"{seed} took {took:.1f} s"


def text_of(chance: random.Random, letters: list[str], most: int) -> str:
    return "".join(chance.choices(letters, k=chance.choice([1, 3, 10, most])))


def value_of(chance: random.Random, depth: int = 0):
    """Something that JSON can say."""
    plain = [None, True, False, 0, 1, -0.0, 1e308, float("nan"), "", "1", "A", "a", "Infinity", "0x1", " 1 "]
    if depth > 3 or chance.random() < 0.6:
        return chance.choice(plain)
    if chance.random() < 0.5:
        return [value_of(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    return {chance.choice("abC"): value_of(chance, depth + 1) for _ in range(chance.randint(0, 3))}


PIECES = [
    "github", ".", ".*", "[", "]", "(", ")", "'", "''", "!", "&&", "||", "==", "<", "fromJSON", "toJSON", "format",
    "join", "hashFiles", "case", "contains", "always()", "needs", "0x1", "1e9", "-", ",", " ", "null", "'{0}'", "a",
]  # fmt: skip


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["filters", "matrices", "expressions", "composite actions", "chains"])
def test_what_is_not_a_file_ends_soon_too(kind, tmp_path):
    seed = int(os.environ.get("MLOPS_LAB_SEED", time.time_ns() % 10**9))
    for number in range({"chains": 60, "composite actions": 300}.get(kind, 1500)):
        chance = random.Random(f"{kind}/{seed}/{number}")  # noqa: S311
        if kind == "filters":
            pattern = text_of(chance, [*"*?+[]!ab/-.\\", "**", "**/"], 20_000)
            name = text_of(chance, list("ab/-."), 250)
            soon((seed, number), lambda: (glob_matches([pattern], name), file_matches(pattern, name)))  # noqa: B023
        elif kind == "matrices":
            matrix = {chance.choice(["a", "b", "C", "include", "exclude"]): value_of(chance) for _ in range(4)}
            soon((seed, number), lambda: expand_matrix(matrix))  # noqa: B023
        elif kind == "expressions":
            text = text_of(chance, PIECES, 4000)
            soon((seed, number), lambda: evaluate(text, {"github": {"a": [1]}, "needs": {}}, workspace=tmp_path))  # noqa: B023
        elif kind == "composite actions":
            (tmp_path / "action.yml").write_text(mutated_action(chance), "utf-8", "surrogatepass")
            (tmp_path / "w.yml").write_text("on: push\njobs: {a: {runs-on: x, steps: [{uses: $/, with: {n: 1}}]}}")
            soon((seed, number), lambda: simulate(load_workflow(tmp_path / "w.yml", root=tmp_path)))
        else:
            flows = [
                f"name: {name}\non: {{push: , workflow_run: {{workflows: {chance.sample('abcde', 3)}}}}}{JOBS}"
                for name in "abcde"
            ]
            soon((seed, number), lambda: simulate_chain([parse_workflow(t, file=t[6]) for t in flows]))  # noqa: B023


def mutated_action(chance: random.Random) -> str:
    text = "name: a\ninputs: {n: {default: '1', required: true}}\noutputs: {o: {value: '${{ steps.s.outputs.o }}'}}\n"
    text += "runs:\n  using: composite\n  steps:\n  - {id: s, run: 'echo ${{ inputs.n }}', shell: bash}\n"
    text += "  - {uses: $/, if: always()}\n  - {uses: actions/checkout@v4, with: {ref: '${{ github.ref }}'}}\n"
    tokens = re.split(r"(\s+|[:{}\[\],'\"]|\$\{\{|\}\})", text)
    for _ in range(chance.choice([0, 1, 2, 5])):
        tokens[chance.randrange(len(tokens))] = chance.choice([*HOSTILE, *tokens])
    return "".join(tokens)


def test_a_chain_that_multiplies_is_ended():
    flows = [
        parse_workflow(f"name: {n}\non: {{push: , workflow_run: {{workflows: [a, b, c, d, e]}}}}{JOBS}", file=n)
        for n in "abcde"
    ]

    with pytest.raises(InvalidData, match="more than 200 runs"):
        simulate_chain(flows)
