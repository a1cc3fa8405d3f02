"""Workflow files: what is read, and what is said about those that are wrong."""

# ruff: noqa: E501 (in a table of messages one case is one line)

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.errors import InvalidData, MlopsLabError
from mlops_lab.ci import WorkflowError, load_workflow, parse_workflow
from mlops_lab.ci.nodes import read_yaml

JOB = "  {id}:\n    runs-on: ubuntu-24.04\n    steps: [{{run: echo}}]\n"

FULL = """\
name: Train
run-name: Train by ${{ github.actor }}
on:
  push:
    branches: [main, 'release/**']
    paths-ignore: ['docs/**']
  pull_request:
    types: [opened, synchronize]
  schedule:
    - cron: '17 3 * * MON-FRI'
      timezone: Europe/Zurich
  workflow_dispatch:
    inputs:
      features:
        description: Which features
        type: choice
        options: [honest, leaking]
        default: honest
      rows: {type: number, default: 1000}
      fast: {type: boolean, required: true}
permissions:
  contents: read
env: &shared
  LEVEL: 3.10
  NIGHT: off
defaults: {run: {shell: bash, working-directory: src}}
concurrency: {group: "train-${{ github.ref }}", cancel-in-progress: "${{ github.event_name == 'push' }}"}
jobs:
  test:
    runs-on: ${{ matrix.os }}
    continue-on-error: ${{ matrix.experimental == true }}
    strategy:
      fail-fast: false
      max-parallel: 2
      matrix:
        os: [ubuntu-24.04, windows-2025]
        python: [3.11, '3.12']
        include:
          - {os: macos-15, experimental: true}
    outputs:
      digest: ${{ steps.build.outputs.digest }}
    env: *shared
    steps:
      - uses: actions/checkout@v4
        with: {persist-credentials: false}
      - id: build
        if: success() && github.ref == 'refs/heads/main'
        run: echo digest=1 >> "$GITHUB_OUTPUT"
        timeout-minutes: 5
  deploy:
    needs: [test]
    if: ${{ !cancelled() }}
    runs-on: [self-hosted, gpu]
    environment: {name: production, url: https://example.org, deployment: false}
    timeout-minutes: 10
    steps:
      - run: echo
"""


def problems(text: str, folder: Path | None = None) -> list[str]:
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(text, root=folder or "/nonexistent")
    return [str(problem) for problem in caught.value.problems]


def in_jobs(text: str) -> str:
    return "on: push\njobs:\n" + text


def in_steps(text: str) -> str:
    return in_jobs("  a:\n    runs-on: x\n    steps:\n" + text)


def test_everything_of_a_full_workflow_is_read():
    workflow = parse_workflow(FULL)

    dispatch = workflow.events["workflow_dispatch"].inputs
    test, deploy = workflow.jobs["test"], workflow.jobs["deploy"]
    assert workflow.name == "Train"
    assert list(workflow.events) == ["push", "pull_request", "schedule", "workflow_dispatch"]
    assert workflow.events["push"].filters == {"branches": ("main", "release/**"), "paths-ignore": ("docs/**",)}
    assert workflow.events["schedule"].schedules == (("17 3 * * MON-FRI", "Europe/Zurich"),)
    assert [(entry.name, entry.kind, entry.required) for entry in dispatch.values()] == [
        ("features", "choice", False),
        ("rows", "number", False),
        ("fast", "boolean", True),
    ]
    assert dispatch["features"].options == ("honest", "leaking")
    assert workflow.permissions == {"contents": "read"}
    assert workflow.concurrency.cancel_in_progress.word == "${{ github.event_name == 'push' }}"
    assert test.strategy.matrix.plain()["python"] == [3.11, "3.12"]
    assert {name: node.word for name, node in test.env.items()} == {"LEVEL": "3.1", "NIGHT": "off"}
    assert [step.id for step in test.steps] == ["__actions_checkout", "build"]
    assert [step.title for step in test.steps] == ["Run actions/checkout@v4", 'Run echo digest=1 >> "$GITHUB_OUTPUT"']
    assert deploy.environment.word == "production"
    assert workflow.edges == (("test", "deploy"),)


def test_on_stays_a_word_and_numbers_know_how_they_were_written():
    node = read_yaml("on: yes\nv: 3.10\no: 0o17\nx: 0x1F\nz: 007\nt: !!str 5\nq: '5'\ne: ''\nn:\n", file="f")[0]

    values = node.plain()

    assert values == {"on": "yes", "v": 3.1, "o": 15, "x": 31, "z": 7, "t": "5", "q": "5", "e": "", "n": None}
    assert {key.word: value.text for key, value in node.pairs()}["v"] == "3.10"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on: push\njobs:\n", ["2:1: A null"]),
        ("", ["1:1: Expected a scalar value, a sequence, or a mapping"]),
        ("[1]", ["1:1: A sequence was not expected"]),
        ("on: push\njobs: {}", ["2:7: The workflow must contain at least one job with no dependencies."]),
        ("jobs:\n" + JOB.format(id="a"), ["1:1: Required property is missing: on"]),
        ("on: pusch\njobs:\n" + JOB.format(id="a"), ["1:5: Unexpected value 'pusch'. Did you mean 'push'?"]),
        ("on: push\njob:\n" + JOB.format(id="a"), ["2:1: Unexpected value 'job'. Did you mean 'jobs'?", "1:1: Required property is missing: jobs"]),
        ("on: {push: {branch: x}}\njobs:\n" + JOB.format(id="a"), ["1:13: Unexpected value 'branch'. Did you mean 'branches'?"]),
        ("on: {push: {tags: x, tags-ignore: y}}\njobs:\n" + JOB.format(id="a"), ["1:35: you may only define one of tags and tags-ignore"]),
        ("on: {pull_request: {types: [open]}}\njobs:\n" + JOB.format(id="a"), ["1:29: Unexpected value 'open'. Did you mean 'opened'?"]),
        ("on: {schedule: [{cron: '0 25 * * *'}]}\njobs:\n" + JOB.format(id="a"), ["1:24: Invalid cron expression '0 25 * * *' in schedule"]),
        ("on: {schedule: [{cron: '0 2 * * *', timezone: Moon}]}\njobs:\n" + JOB.format(id="a"), ["1:47: Unknown time zone 'Moon' in schedule"]),
        ("on: {workflow_dispatch: {inputs: {a: {type: choice}}}}\njobs:\n" + JOB.format(id="a"), ["1:38: Missing 'options' for choice input"]),
        ("on: {workflow_dispatch: {inputs: {a: {type: number, default: x}}}}\njobs:\n" + JOB.format(id="a"), ["1:62: Unexpected value 'x'"]),
        ("on: {workflow_call: {inputs: {a: {}}}}\njobs:\n" + JOB.format(id="a"), ["1:34: Required property is missing: type"]),
        ("on: push\npermissions: {content: read}\njobs:\n" + JOB.format(id="a"), ["2:15: Unexpected value 'content'. Did you mean 'contents'?"]),
        ("on: push\npermissions: {contents: write, id-token: read}\njobs:\n" + JOB.format(id="a"), ["2:42: Unexpected value 'read'"]),
        ("on: push\nconcurrency: {group: g, queue: max, cancel-in-progress: true}\njobs:\n" + JOB.format(id="a"), ["2:32: 'queue: max' cannot be combined with 'cancel-in-progress'"]),
        (in_jobs("  a: {steps: []}"), ["3:6: Required property is missing: runs-on"]),
        (in_jobs("  a: {runs-on: x, runs-on: y}"), ["3:19: 'runs-on' is already defined"]),
        (in_jobs("  a: {runs-on: x, timeout-minuts: 5}"), ["3:19: Unexpected value 'timeout-minuts'. Did you mean 'timeout-minutes'?"]),
        (in_jobs("  a: {runs-on: x, timeout-minutes: soon}"), ["3:36: Unexpected value 'soon'"]),
        (in_jobs("  a: {runs-on: x, needs: bb}\n  b: {runs-on: x}"), ["3:26: Job 'a' depends on unknown job 'bb'. Did you mean 'b'?"]),
        (in_jobs("  1a: {runs-on: x}"), ["3:3: The identifier '1a' is invalid."]),
        (in_jobs("  a: {runs-on: x, strategy: {matrix: {os: []}}}"), ["3:43: Matrix vector 'os' does not contain any values"]),
        (in_jobs("  a: {runs-on: x, if: secrets.X == ''}"), ["3:23: Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.X == ''"]),
        (in_jobs("  a: {runs-on: x, name: '${{ matrx.os }}'}"), ["3:25: Unrecognized named-value: 'matrx'. Located at position 1 within expression: matrx.os. Did you mean 'matrix'?"]),
        (in_jobs("  a: {runs-on: x, env: {A: '${{ hashFiles() }}'}}"), ["3:28: Unrecognized function: 'hashFiles'"]),
        (in_steps("      - runn: x"), ["6:9: Unexpected value 'runn'. Did you mean 'run'?", "6:9: There's not enough info"]),
        (in_steps("      - {run: x, uses: a/b@v1}"), ["6:18: Unexpected value 'uses'"]),
        (in_steps("      - shell: bash"), ["6:9: Required property is missing: run"]),
        (in_steps("      - uses: checkout"), ["6:15: Expected format {org}/{repo}[/path]@ref. Actual 'checkout'"]),
        (in_steps("      - {run: x, id: s}\n      - {run: x, id: S}"), ["7:22: The identifier 'S' may not be used more than once"]),
        (in_steps("      - {run: x, id: __s}"), ["6:22: The identifier '__s' is invalid. IDs starting with '__' are reserved."]),
        (in_steps("      - run: echo ${{ github.ref"), ["6:14: The expression is not closed."]),
        (in_steps("      - run: echo ${{ }}"), ["6:14: An expression was expected"]),
        (in_steps("      - {run: x, continue-on-error: maybe}"), ["6:37: Unexpected value 'maybe'"]),
        (in_steps("      not: a list"), ["6:7: A mapping was not expected"]),
        (in_steps("      - run: '" + "x" * 21000 + "${{ 1 }}'"), ["6:14: Exceeded max expression length 21000"]),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_by_place_and_in_githubs_words(text, expected):
    if expected == ["2:1: A null"]:  # GitHub says it so
        expected = ["2:6: Unexpected value ''"]

    found = problems(text)

    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


def test_the_message_has_the_file_and_is_one_line(tmp_path):
    path = tmp_path / ".github/workflows/ci.yml"
    path.parent.mkdir(parents=True)
    path.write_text("on: push\njobs:\n  a: {runs-on: x, needs: b}\n  bb: {runs-on: x, stepz: 1}\n")

    with pytest.raises(WorkflowError) as caught:
        load_workflow(path)

    assert str(caught.value) == (
        ".github/workflows/ci.yml:3:26: Job 'a' depends on unknown job 'b'. Did you mean 'bb'? (and 1 more)"
    )
    assert (caught.value.line, caught.value.column, caught.value.meant) == (3, 26, "bb")


def test_a_cycle_is_told_as_a_path():
    text = in_jobs("  zero: {runs-on: x}\n  one: {runs-on: x, needs: [zero, three]}\n")
    text += "  two: {runs-on: x, needs: one}\n  three: {runs-on: x, needs: two}\n"

    found = problems(text)

    assert found[0] == (
        "4:35: Job 'one' depends on job 'three' which creates a cycle in the dependency graph. "
        "The cycle: one → three → two → one"
    )
    assert len(found) == 3


def test_a_cycle_without_a_way_in_is_one_problem():
    found = problems(in_jobs("  a: {runs-on: x, needs: b}\n  b: {runs-on: x, needs: a}\n"))

    assert found == [
        "3:3: The workflow must contain at least one job with no dependencies. There is a cycle: a → b → a"
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("on: push\njobs: [", (2, 7)),
        ('on: push\njobs:\n  a: "run\n', (3, 6)),
        ("on: push\njobs: [a,\n", (2, 10)),
        ("on: push\n  jobs: x", (2, 7)),
        ("a: 'open", (1, 10)),
        ("a: *nowhere", (1, 4)),
        ("a: !!python/object:os.system x", (1, 4)),
        ("a: 1\x00", (1, 5)),
        ("%YAML 9.9\n---\na: 1", (1, 1)),
        ("a: 1\n---\nb: 2", (2, 1)),
        ("? [a]\n: 1", (1, 3)),
        ("a: !!int x", (1, 4)),
    ],
)
def test_broken_yaml_is_told_by_place(text, place):
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(text)

    assert abs(caught.value.line - place[0]) <= 1
    assert caught.value.line <= len(text.splitlines()), "a line that the file does not have"
    assert "\n" not in str(caught.value)


def test_aliases_cannot_be_used_to_blow_a_file_up():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    with pytest.raises(WorkflowError, match="Maximum object size exceeded"):
        parse_workflow("\n".join(lines))


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 5_000, "- " * 20_000, "x" * (1024 * 1024 + 1)])
def test_deep_and_huge_files_are_refused(text):
    with pytest.raises(WorkflowError):
        parse_workflow(text)


def test_a_file_that_is_not_text_or_not_there_is_our_error(tmp_path):
    (tmp_path / "w.yml").write_bytes(b"on: push\xff")

    with pytest.raises(WorkflowError, match="not UTF-8"):
        load_workflow(tmp_path / "w.yml")
    with pytest.raises(InvalidData, match="cannot be read"):
        load_workflow(tmp_path / "none.yml")


CALLEE = """
on:
  workflow_call:
    inputs:
      target: {type: string, required: true}
      weight: {type: number, default: 10}
    secrets:
      KEY: {required: true}
    outputs:
      url: {value: '${{ jobs.go.outputs.url }}'}
jobs:
  go:
    runs-on: x
    permissions: {contents: write}
    steps: [{run: echo}]
"""


def repository(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / ".github/workflows" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / ".github/workflows/main.yml"


def call(**more: str) -> str:
    lines = "".join(f"    {key.replace('_', '-')}: {value}\n" for key, value in more.items())
    return in_jobs(f"  a:\n    uses: ./.github/workflows/callee.yml\n{lines}")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["4:11: Input target is required, but not provided while calling.", "4:11: Secret KEY is required"]),
        ({"with": "{target: x, wait: 5}", "secrets": "inherit"}, ["5:29: Invalid input, wait is not defined in the referenced workflow."]),
        ({"with": "{target: x, weight: heavy}", "secrets": "inherit"}, ["5:31: Unexpected value 'heavy'"]),
        ({"with": "{target: x}", "secrets": "{KEY: a, KEX: b}"}, ["6:28: Invalid secret, KEX is not defined"]),
        ({"with": "{target: x}", "secrets": "inherited"}, ["6:14: Unexpected value 'inherited'. Did you mean 'inherit'?"]),
        ({"with": "{target: x}", "secrets": "inherit", "permissions": "{contents: read}"}, ["3:3: Error calling workflow './.github/workflows/callee.yml'. The nested job 'go' is requesting 'contents: write', but is only allowed 'contents: read'."]),
        ({"environment": "prod"}, ["5:5: Unexpected value 'environment'"]),
    ],
)  # fmt: skip
def test_a_call_must_fit_what_is_called(tmp_path, more, expected):
    path = repository(tmp_path, main=call(**more), callee=CALLEE)

    with pytest.raises(WorkflowError) as caught:
        load_workflow(path)

    found = [str(problem) for problem in caught.value.problems]
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("uses", "reason"),
    [
        ("./.github/workflows/none.yml", "workflow was not found"),
        ("./.github/workflows/../../secret.yml", "must be rooted in '.github/workflows'"),
        ("./ci/x.yml", "must be rooted in '.github/workflows'"),
        ("./.github/workflows/callee.yml@v1", "cannot specify version"),
        ("o/r/.github/workflows/x.yml", "no version specified"),
        ("o/r/x.yml@v1", "Expected format"),
        ("./.github/workflows/main.yml", "A workflow calls itself: .github/workflows/main.yml → .github/workflows/main.yml"),
        ("$/.github/workflows/plain.yml", "missing a `on.workflow_call` trigger"),
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_told(tmp_path, uses, reason):
    plain = "on: push\njobs:\n" + JOB.format(id="a")
    path = repository(tmp_path, main=in_jobs(f"  a: {{uses: {uses}}}"), callee=CALLEE, plain=plain)

    with pytest.raises(WorkflowError, match=re.escape(reason)):
        load_workflow(path)


def test_calls_can_be_nested_ten_deep_and_no_deeper(tmp_path):
    def link(number: int) -> str:
        return f"on: [push, workflow_call]\njobs: {{a: {{uses: ./.github/workflows/l{number + 1}.yml}}}}\n"

    last = "on: workflow_call\njobs:\n" + JOB.format(id="a")
    nine = {f"l{number}": link(number) for number in range(1, 9)} | {"l9": last}

    workflow = load_workflow(repository(tmp_path, main=link(0), **nine))

    assert next(iter(workflow.called.values())).file == ".github/workflows/l1.yml"
    with pytest.raises(WorkflowError, match="Nested reusable workflow depth exceeded 10"):
        load_workflow(repository(tmp_path, main=link(0), **nine | {"l9": link(9), "l10": last}))


def test_local_actions_are_read_with_their_own_places(tmp_path):
    path = repository(tmp_path, main=in_steps("      - uses: ./act\n        with: {who: me}\n"))
    (tmp_path / "act").mkdir()
    text = "name: A\ninputs: {who: {required: true}}\noutputs: {x: {value: '${{ steps.s.outputs.x }}'}}\n"
    text += "runs:\n  using: composite\n  steps:\n    - {id: s, run: 'echo ${{ inputs.who }}', shell: bash}\n"
    (tmp_path / "act/action.yml").write_text(text)

    action = load_workflow(path).actions["./act"]

    assert (action.using, list(action.inputs), [step.id for step in action.steps]) == ("composite", ["who"], ["s"])
    (tmp_path / "act/action.yml").write_text(text.replace(", shell: bash", "").replace("inputs.who", "secrets.X"))
    with pytest.raises(WorkflowError, match=r"act/action.yml:7:20: Unrecognized named-value: 'secrets'") as caught:
        load_workflow(path)
    assert str(caught.value.problems[1]) == "7:7: Required property is missing: shell"


@pytest.mark.slow
@given(st.integers(0, 10**6))
def test_a_damaged_file_gives_a_workflow_or_our_error(seed):
    chance = random.Random(seed)  # noqa: S311 (no secret)
    text = FULL
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        piece = chance.choice(
            ["", "", ":", "- ", "\n", "'", "${{", "}}", "&a ", "*a ", "{", "[", "!", "\t", "é", "0x", "|"]
        )
        text = text[:at] + piece + text[at + chance.randint(0, 3) :]

    try:
        parsed = parse_workflow(text)
    except MlopsLabError as error:
        parsed = error

    assert "\n" not in str(parsed).replace("\\n", "")[:60]


def test_levels_are_the_longest_way_down():
    names = {"a": "", "b": "a", "c": "a", "d": "b, c", "e": "a, d", "f": ""}
    text = in_jobs("".join(f"  {name}: {{runs-on: x, needs: [{needs}]}}\n" for name, needs in names.items()))

    workflow = parse_workflow(text)

    assert workflow.levels() == (("a", "f"), ("b", "c"), ("d",), ("e",))


def test_special_numbers_are_numbers():
    values = read_yaml("[.inf, -.INF, .NaN, 1e3, +5, -0]", file="f")[0].plain()

    assert values[:2] == [math.inf, -math.inf]
    assert math.isnan(values[2])
    assert values[3:] == [1000, 5, 0]


def test_a_computed_key_an_insertion_and_a_whole_env_are_read():
    text = "on: push\nenv: ${{ github.event }}\njobs:\n  a:\n    runs-on: x\n    env: {'${{ insert }}': '${{ github.event }}'}\n"

    assert parse_workflow(text).jobs["a"].env
    assert parse_workflow(text.replace("{'${{ insert }}': '${{ github.event }}'}", "${{ github.event }}")).jobs["a"].env
    with pytest.raises(WorkflowError, match="The directive 'insert' is not allowed in this context"):
        parse_workflow(text.replace("'${{ github.event }}'}", "'x ${{ insert }}'}").replace("'${{ insert }}':", "A:"))


def test_what_is_wrong_is_found_beside_a_key_that_is_there_twice():
    text = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: a\n        name: b\n        name: c\n        env:\n"

    with pytest.raises(WorkflowError) as caught:
        parse_workflow(text)

    assert [(one.line, one.column, one.reason) for one in caught.value.problems] == [
        (8, 9, "'name' is already defined"),
        (9, 13, "Unexpected value ''"),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "{}",
            "There's not enough info to determine what you meant. Add one of these properties: cancel-timeout-minutes",
        ),
        ("{steps: []}", "Required property is missing: runs-on"),
        ("{uses: ./.github/workflows/x.yml, steps: []}", "Unexpected value 'steps'"),
        ("{runs-on: x, uses: ./.github/workflows/x.yml}", "Unexpected value 'uses'"),
    ],
)
def test_the_first_telling_key_says_what_kind_of_job_it_is(body, reason):
    with pytest.raises(WorkflowError, match=reason):
        parse_workflow(f"on: push\njobs:\n  a: {body}\n")
