"""`mlops-lab workflow lint`: what it finds itself, and its SARIF, which GitHub's code scanning has to accept."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from mlops_lab.cli import main
from mlops_lab.cli.linting import _program

# The OASIS schema, https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas, without its descriptions.
SCHEMA = json.loads((Path(__file__).parents[1] / "actions/oracle/sarif-2.1.0.schema.json").read_text("utf-8"))
FAULTY = """\
on: push
jobs:
  a:
    runs-on: ubuntu-24.04
    if: "${{ false }} "
    steps:
      - uses: $/.github/actions/nope
      - uses: ./nope
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.mkdir(parents=True, exist_ok=True)
            (path / ("action.yml" if "actions" in name else "ci.yml")).write_text(text, encoding="utf-8")
        return tmp_path

    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return write


def linted(capsys, *words):
    code = main(["workflow", "lint", *map(str, words)])
    return code, capsys.readouterr().out.splitlines()


def sarif(capsys, *words):
    main(["workflow", "lint", *map(str, words), "--sarif", "out.sarif"])
    capsys.readouterr()
    return json.loads(Path("out.sarif").read_text("utf-8"))


def ours(capsys, text, repository):
    path = repository(a=text) / "a/ci.yml"
    return [
        line.partition(": mlops-lab: ")[2] for line in linted(capsys, path, "--ours-only")[1] if "mlops-lab" in line
    ]


def test_actions_that_are_not_in_the_repository_are_found(capsys, repository):
    found = ours(capsys, FAULTY, repository)

    assert "a: $/.github/actions/nope is not in this repository [missing-local]" in found
    assert "a: ./nope is not in this repository [missing-local]" in found


@pytest.mark.parametrize(("before", "missing"), [("      - run: cp -r . ../action\n", False), ("", True)])
def test_an_action_beside_the_repository_is_missing_unless_a_step_may_have_put_it_there(
    capsys, repository, before, missing
):
    text = FAULTY.partition("      - uses")[0] + f"{before}      - uses: ./../action/x\n"

    found = ours(capsys, text, repository)

    assert ("a: ./../action/x is not in this repository [missing-local]" in found) is missing


def test_an_action_that_a_checkout_of_another_repository_brings_is_not_missing(capsys, repository):
    brings = "      - {uses: actions/checkout@v4, with: {repository: o/r, path: nope}}\n      - uses: ./nope\n"

    assert ours(capsys, FAULTY.replace("      - uses: ./nope\n", brings), repository) == ours(
        capsys, FAULTY.replace("      - uses: ./nope\n", ""), repository
    )


def test_an_action_file_is_read_too(capsys, repository):
    steps = "    - {run: a, shell: bash, if: '${{ true }} '}\n    - uses: ./no\n"
    action = f"name: n\nruns:\n  using: composite\n  steps:\n{steps}"
    path = repository(actions=action) / "actions/action.yml"

    code, lines = linted(capsys, path, "--ours-only")

    assert code == 1
    assert [line.rpartition("[")[2] for line in lines if "mlops-lab" in line] == ["always-true]", "missing-local]"]


def test_files_of_one_name_in_two_folders_are_told_apart(capsys, repository):
    root = repository(a=FAULTY, b=FAULTY.replace("runs-on: ubuntu-24.04", "runs-on: nowhere"))

    _, lines = linted(capsys, root / "a/ci.yml", root / "b/ci.yml")

    assert {line.split(":")[0] for line in lines if "nowhere" in line} <= {str(root / "b/ci.yml")}


@pytest.mark.parametrize("more", [["--ours-only"], []])
def test_the_sarif_is_what_the_standard_and_github_ask_for(capsys, repository, more):
    repository(a__b=FAULTY, c=FAULTY.replace("runs-on", "run-on"))

    told = sarif(capsys, "a/b/ci.yml", "c/ci.yml", *more)

    jsonschema.Draft4Validator(SCHEMA).validate(told)
    tools = [run["tool"]["driver"]["name"] for run in told["runs"]]
    assert tools == ["mlops-lab"] + [name for name in ("jactionlint", "zizmor") if not more and _program(name)]
    assert len({run["automationDetails"]["id"] for run in told["runs"]}) == len(tools)
    for run in told["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
        assert {result["ruleId"] for result in run["results"]} <= set(rules)
        assert len(rules) == len(set(rules))
        assert {place["artifactLocation"]["uri"] for place in places} <= {"a/b/ci.yml", "c/ci.yml"}
        assert all(result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"])


def test_a_fingerprint_outlives_a_line_above_it_and_tells_two_apart(capsys, repository):
    def fingerprints(text):
        repository(a=text)
        (run,) = sarif(capsys, "a/ci.yml", "--ours-only")["runs"]
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]

    twice = FAULTY + "      - uses: ./nope\n"

    assert fingerprints("# new\n" + FAULTY) == fingerprints(FAULTY)
    assert len(set(fingerprints(twice))) == len(fingerprints(twice)) == 4


def test_a_clean_file_gives_sarif_that_closes_what_was_found_before(capsys, repository):
    repository(a="on: push\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n")

    told = sarif(capsys, "a/ci.yml", "--ours-only")

    assert [run["results"] for run in told["runs"]] == [[]]
