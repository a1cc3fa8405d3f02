"""Broken, hostile and huge workflow files: one clear line with file, line and column, or a run; never a traceback."""

from __future__ import annotations

import contextlib
import copy
import io
import random
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML, YAMLError

from mlops_lab.base.errors import MlopsLabError
from mlops_lab.ci import Trigger, WorkflowError, parse_workflow, simulate
from mlops_lab.ci.loading import suspicions
from mlops_lab.cli import main
from mlops_lab.teaching.drawing.workflow import draw_workflow

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
HOSTILE = [
    None, True, -1, 1e308, float("nan"), float("inf"), "", "\0", "${{", "${{ }}", "${{ github.event }}",
    "${{ fromJSON('[') }}", "${{ fromJSON('[1,[2]]') }}", "a" * 3000, "\x85\u2028", "$(touch x)", "'\"\\", "😀",
    "../../../etc/passwd", [], {}, [[]], {"": 1}, {"a": {"b": [1]}}, ["${{ insert }}"],
    {"${{ insert }}": "${{ github }}"},
    list(range(300)), {"include": [1]}, "${{ " + "(" * 60 + "1" + ")" * 60 + " }}", "${{ " + "!" * 500 + "1 }}",
    "${{ hashFiles('**') }}", "inherit", "$/x", "./..", "a/b@c",
]  # fmt: skip
KEYS = [
    *("name", "on", "jobs", "env", "run", "uses", "with", "steps", "needs", "if", "runs-on", "strategy", "matrix"),
    *("include", "exclude", "fail-fast", "max-parallel", "outputs", "environment", "concurrency", "group", "defaults"),
    *("permissions", "shell", "timeout-minutes", "continue-on-error", "id", "types", "inputs", "secrets"),
]
GLYPHS = ["", "\t", "\n", ": ", "- ", "{", "]", "*", "'", "\0"]
yaml = YAML(typ="safe", pure=True)


def mutated(text: str, chance: random.Random) -> str:
    """The text with one to three things in it broken, in its letters or in its structure."""
    if chance.random() < 0.3:
        letters = list(text)
        for _ in range(chance.randint(1, 4)):
            letters[chance.randrange(len(letters))] = chance.choice(
                ["", "\t", "\n", ": ", "- ", "{", "]", "*", "'", "\0"]
            )
        return "".join(letters)
    data = yaml.load(text)
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(places(data)))
        if chance.random() < 0.6 or isinstance(holder, list):
            holder[key] = copy.deepcopy(chance.choice(HOSTILE))
        else:
            holder[chance.choice(KEYS)] = holder.pop(key)
    out = io.StringIO()
    try:
        yaml.dump(data, out)
    except YAMLError:
        return text
    return out.getvalue()


def places(data):
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield data, key
        yield from places(value)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / ".github", folder / ".github")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [pytest.param(one, marks=[] if at < 3 else pytest.mark.nightly, id=one.stem) for at, one in enumerate(FILES)],
)
def test_whatever_is_broken_in_a_file_it_is_told_or_it_runs(file, root):
    chance = random.Random(file.stem)  # noqa: S311 (no secret)
    told, ran = [], 0
    for _ in range(15):
        text = mutated(file.read_text(encoding="utf-8"), chance)
        try:
            workflow = parse_workflow(text, file="w.yml", root=root)
        except WorkflowError as error:
            told.append(error)
            continue
        suspicions(workflow)
        assert draw_workflow(workflow).outline
        for event in workflow.events.values():
            inputs = dict.fromkeys(event.inputs, "local")
            with contextlib.suppress(MlopsLabError):
                assert simulate(workflow, Trigger(event.name), inputs=inputs).outline()
                ran += 1

    assert told
    assert ran
    assert all(len(str(error).splitlines()) == 1 for error in told)
    assert all(problem.line >= 1 and problem.column >= 1 for error in told for problem in error.problems)


JOB = "\njobs:\n  a: {runs-on: x, steps: [{run: 'true'}]}\n"
BROKEN = {
    "no YAML": ("on: push\njobs: {a: [", 2),
    "a tab": ("on: push\njobs:\n\ta: {}\n", 3),
    "nothing": ("", 1),
    "unknown key": ("on: push\njob: {}" + JOB, 2),
    "unknown event": ("on: pusch" + JOB, 1),
    "unknown need": ("on: push\njobs:\n  a: {runs-on: x, needs: bb}\n  b: {runs-on: x}\n", 3),
    "a cycle": ("on: push\njobs:\n  c: {runs-on: x}\n  a: {runs-on: x, needs: b}\n  b: {runs-on: x, needs: a}\n", 4),
    "a broken expression": ("on: push\nenv: {A: '${{ github. }}'}" + JOB, 2),
    "an expression that is too deep": ("on: push\nenv:\n  A: ${{ " + "(" * 80 + "1" + ")" * 80 + " }}" + JOB, 3),
    "an expression that is too long": ("on: push\nenv:\n  A: ${{ '" + "x" * 22_000 + "' }}" + JOB, 3),
    "YAML that is too deep": ("on: push\njobs: " + "[" * 200 + "]" * 200, 2),
    "aliases that multiply": ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)), 0),  # noqa: E501
    "a file that it calls is missing": ("on: push\njobs:\n  a:\n    uses: ./.github/workflows/x.yml\n", 4),
    "letters that are none": ("on: push\nname: \"a\0b\"" + JOB, 2),
}  # fmt: skip


@pytest.mark.parametrize("command", ["draw", "simulate", "execute", "lint"])
@pytest.mark.parametrize("kind", BROKEN)
def test_every_command_says_in_one_line_what_is_wrong_and_where(kind, command, tmp_path, capsys):
    text, line = BROKEN[kind]
    file = tmp_path / "w.yml"
    file.write_text(text, encoding="utf-8")
    more = {"execute": ["--yes"], "lint": ["--ours-only"]}.get(command, [])

    code = main(["workflow", command, str(file), *more])

    said = capsys.readouterr()
    words = said.out if command == "lint" else said.err
    assert code == 1
    assert f"w.yml:{line or ''}" in words.splitlines()[0]
    assert "Traceback" not in said.out + said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        ("{a: [" + "1," * 300 + "]}", "300 jobs, and GitHub allows at most 256"),
        ("{a: ['${{ github.event.a }}'], b: '${{ fromJSON(github.event.many) }}'}", "257 jobs"),
        (
            "{" + ",".join(f"k{n}: [1,2,3,4,5,6,7,8,9,10]" for n in range(60)) + "}",
            "jobs, and GitHub allows at most 256",
        ),
    ],
)
def test_a_matrix_beyond_githubs_limit_fails_its_job_in_no_time(matrix, told):
    text = f"on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {{matrix: {matrix}}}\n    steps: [{{run: x}}]\n"
    many = str(list(range(257)))

    job = simulate(parse_workflow(text), Trigger("push", payload={"many": many})).job("a")

    assert job.conclusion == "failure"
    assert told in job.reason
