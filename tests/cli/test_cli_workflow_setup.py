"""`mlops-lab workflow setup`: what a fork has to be told, asked of a GitHub that answers from a file."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from mlops_lab.cli import main
from mlops_lab.cli.workflow_setup import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the program in the place of gh is a script")
GH = """
import json, pathlib, sys
answers = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())
words = sys.argv[1:]
if words[0] == "repo":
    print("ada/flights"); sys.exit()
answer = answers.get(words[1].partition("?")[0].removeprefix("repos/ada/flights").strip("/"), "HTTP 404")
if isinstance(answer, str):
    sys.exit(f"gh: ({answer})")
print(json.dumps(answer))
"""
PRODUCTION = {
    "name": "production",
    "protection_rules": [{"type": "required_reviewers", "reviewers": [{}], "prevent_self_review": True}],
    "deployment_branch_policy": {"custom_branch_policies": True},
}
LEGS = ("kubernetes", "sagemaker", "vertex")
WORKFLOWS = {"workflows": [{"path": ".github/workflows/train.yml", "state": "active"}]}
TEXTS = [path.read_text("utf-8") for path in (ROOT / ".github").rglob("*.yml")]
NAMES = sorted({name for text in TEXTS for name in re.findall(r"vars\.([A-Z_]+)", text)})
NO_REVIEWERS, ANY_BRANCH = {**PRODUCTION, "protection_rules": []}, {**PRODUCTION, "deployment_branch_policy": None}


def complete() -> dict:
    variables = {"variables": [{"name": name, "value": "x"} for name in NAMES]}
    return {
        "": {"default_branch": "main", "visibility": "public"},
        "actions/workflows": WORKFLOWS,
        "actions/variables": variables,
        "environments": {"environments": [PRODUCTION, *({"name": f"production-{leg}"} for leg in LEGS)]},
        **{f"environments/production-{leg}/variables": variables for leg in LEGS},
        "rules/branches/main": [{"type": "pull_request"}, {"type": "required_status_checks"}],
        "pages": {"build_type": "workflow"},
    }


@pytest.fixture
def asked(tmp_path, monkeypatch, capsys):
    def ask(answers: dict, *words: str):
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        script = tmp_path / "gh"
        script.write_text(f"#!{sys.executable} -I\n{GH}")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        code = main(["workflow", "setup", "--check", "--json", *words])
        told = json.loads(capsys.readouterr().out)
        return code, {each["name"]: each["why"] for each in told["settings"] if not each["is_set"]}

    return ask


def test_a_repository_where_all_is_set_has_nothing_to_say(asked):
    assert asked(complete()) == (0, {})


def test_a_fresh_fork_is_told_each_setting(asked):
    fork = {
        "": {"default_branch": "main", "visibility": "private"},
        "actions/workflows": {"workflows": [{"path": ".github/workflows/train.yml", "state": "disabled_fork"}]},
    }

    code, missing = asked(fork, "--repo", "ada/flights")

    assert (code, set(missing)) == (1, {setting.name for setting in SETTINGS})
    assert missing["workflows are on"] == "switched off: train.yml"


@pytest.mark.parametrize(
    ("path", "answer", "name"),
    [
        ("environments", {"environments": [NO_REVIEWERS]}, "production: reviewers, no self-review"),
        ("environments", {"environments": [ANY_BRANCH]}, "production: default branch only"),
        ("rules/branches/main", [{"type": "pull_request"}], "the default branch is protected"),
        ("pages", {"build_type": "legacy"}, "Pages"),
        ("actions/variables", {"variables": [{"name": "ATTESTATIONS", "value": "off"}]}, "attestations"),
        ("environments/production-vertex/variables", {"variables": []}, "production-vertex"),
    ],
)  # fmt: skip
def test_each_setting_that_is_missing_is_seen(asked, path, answer, name):
    assert name in asked({**complete(), path: answer})[1]


def test_self_review_that_is_allowed_is_seen(asked):
    rule = {**PRODUCTION["protection_rules"][0], "prevent_self_review": False}
    answers = {**complete(), "environments": {"environments": [{**PRODUCTION, "protection_rules": [rule]}]}}

    assert asked(answers)[1]["production: reviewers, no self-review"] == "whoever starts a run may review it himself"


def test_github_that_refuses_is_one_line(asked, capsys, tmp_path, monkeypatch):
    (tmp_path / "gh").write_text("#!/bin/sh\necho 'gh: Bad credentials (HTTP 401)' >&2; exit 1\n")
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["workflow", "setup", "--check", "--repo", "a/b"]) == 1
    assert "Bad credentials" in capsys.readouterr().err


def test_without_gh_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["workflow", "setup", "--check"]) == 1
    assert "which is not installed" in capsys.readouterr().err


def test_the_page_is_what_the_command_writes(capsys):
    main(["workflow", "setup", "--markdown"])

    assert (ROOT / "docs/github.md").read_text("utf-8") == capsys.readouterr().out


def test_every_variable_that_the_workflows_read_is_on_the_page():
    page = (ROOT / "docs/github.md").read_text("utf-8")
    optional = {"APPROVAL_DAYS", "AWS_ROLE_SECONDS"}  # with a default of their own

    assert [name for name in NAMES if name not in page and name not in optional] == []


def test_the_page_s_gitlab_file_is_one_and_its_commands_are_ours(tmp_path):
    import subprocess

    from ruamel.yaml import YAML

    text = (ROOT / "docs/github.md").read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / ".gitlab-ci.yml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]

    done = subprocess.run([*command, str(tmp_path / ".gitlab-ci.yml")], capture_output=True, text=True, check=False)
    scripts = [line for job in YAML().load(text).values() for line in job.get("script", [])]

    assert done.returncode == 0, done.stdout
    assert len(text.splitlines()) <= 12
    assert all(line.startswith(("python -m mlops_lab run ", "python -m mlops_lab registry ")) for line in scripts)


@pytest.mark.parametrize("width", [100, 40])
def test_what_is_told_is_no_wider_than_the_page_and_nothing_of_it_is_cut_away(width, monkeypatch, capsys):
    monkeypatch.setattr("mlops_lab.cli.answers.page_width", lambda: 10_000)
    main(["workflow", "setup"])
    whole = capsys.readouterr().out.split()

    monkeypatch.setattr("mlops_lab.cli.answers.page_width", lambda: width)
    main(["workflow", "setup"])
    told = capsys.readouterr().out

    wide = [line for line in told.splitlines() if len(line) > width]
    assert [line for line in wide if len(line.split()) > 1] == []  # a word stays whole: it is there to be copied
    assert "".join(told.split()) == "".join(whole)
