"""The linters that everybody uses: silent on the real files, and each sees what it is there for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sysconfig.get_path("scripts")
PATH = SCRIPTS + os.pathsep + os.environ.get("PATH", "")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
needs_shellcheck = pytest.mark.skipif(shutil.which("shellcheck", path=PATH) is None, reason="shellcheck is not here")


def each_day(defects: dict[str, tuple[str, ...]]) -> list[object]:
    """The first two by default and the rest at night: the linters are others', and each look takes a second."""
    return [each if place < 2 else pytest.param(each, marks=pytest.mark.nightly) for place, each in enumerate(defects)]


def run(command: list[str], folder: Path) -> tuple[int, str]:
    program = shutil.which(command[0], path=PATH)
    assert program, f"{command[0]} is not installed; python start.py test installs it"
    environment = {**os.environ, "PATH": PATH, "NO_COLOR": "1", "PYTHONUTF8": "1"}
    answer = subprocess.run(
        [program, *command[1:]], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    return answer.returncode, answer.stdout + answer.stderr


def jactionlint(folder: Path) -> tuple[int, str]:
    return run(["jactionlint", "--oneline", "--strict-exit", "--no-hints"], folder)


def zizmor(folder: Path) -> tuple[int, str]:
    return run(["zizmor", "--offline", "--strict-collection", "--persona=auditor", "--quiet", "."], folder)


def schema(name: str, folder: Path, pattern: str) -> tuple[int, str]:
    files = [path.as_posix() for path in sorted(folder.glob(pattern))]
    assert files
    answer = CliRunner().invoke(check_jsonschema, ["--builtin-schema", name, *files])
    return answer.exit_code, answer.output


SCHEMAS = {
    "vendor.citation-file-format": "CITATION.cff",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.github-actions": ".github/actions/*/action.yml",
    "custom.github-workflows-require-timeout": ".github/workflows/*.yml",
}


def test_jactionlint_has_nothing_to_say():
    assert jactionlint(ROOT) == (0, "")


def test_zizmor_has_nothing_to_say_even_as_an_auditor(copy):
    code, words = zizmor(copy.root)

    assert code == 0, words


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_files_fit_their_schema(name):
    code, words = schema(name, ROOT, SCHEMAS[name])

    assert code == 0, words


CREDENTIALS = "        with:\n          persist-credentials: false\n"
TRAIN, PROMOTE = "workflows/train.yml", "workflows/promote.yml"
# what jactionlint is planted: (file, what is there, what stands there instead, what it must say)
JACTIONLINT = {
    "unknown need": (TRAIN, "needs: train\n", "needs: trian\n", "undefined-job-needs"),
    "output of no step": (TRAIN, "steps.keep.outputs.digest", "steps.kept.outputs.digest", "kept"),
    "output that an action lacks": (
        "workflows/train.yml",
        "steps.keep.outputs.digest",
        "steps.keep.outputs.sha",
        "sha",
    ),
    "input that a workflow lacks": (PROMOTE, "target: ${{ matrix", "goal: ${{ matrix", "goal"),
    "input that an action lacks": (
        "workflows/promote.yml",
        "          digest: ${{ inputs",
        "          sha: ${{ inputs",
        "sha",
    ),
    "right that the called one needs": (
        "workflows/promote.yml",
        "      id-token: write # only the cloud legs ask for one\n",
        "",
        "id-token",
    ),
    "runner that is retired": ("workflows/ci.yml", "runs-on: ubuntu-24.04", "runs-on: ubuntu-18.04", "ubuntu-18.04"),
    "expression that is none": ("workflows/ci.yml", "github.event_name ==", "github.event_name =", "expression"),
    "exclude that matches nothing": ("workflows/weekly.yml", "- os: macos-15\n", "- os: macos-14\n", "macos-14"),
    "no timeout": ("workflows/ci.yml", "    timeout-minutes: 15\n", "", "timeout"),
    "Google login without OIDC": (
        "workflows/rollout.yml",
        "      id-token: write # OIDC: a token of minutes in place of a key for ever\n",
        "",
        "id-token",
    ),
}


@pytest.mark.parametrize("defect", each_day(JACTIONLINT))
def test_jactionlint_sees_its_planted_defect(copy, defect):
    path, old, new, told = JACTIONLINT[defect]

    copy.plant(path, old, new)

    code, words = jactionlint(copy.root)
    assert code != 0
    assert told.lower() in words.lower()


@needs_shellcheck
def test_shellcheck_sees_its_planted_defect(copy):
    copy.plant(PROMOTE, '--version "$VERSION"', "--version $VERSION")

    code, words = jactionlint(copy.root)

    assert code != 0
    assert "SC2086" in words


ZIZMOR = {
    "tag in place of a commit": (
        "workflows/ci.yml",
        "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
        "actions/checkout@v7",
        "unpinned-uses",
    ),
    "input in the text of a script": (
        "workflows/train.yml",
        '--features "$FEATURES"',
        "--features ${{ inputs.features }}",
        "template-injection",
    ),
    "credentials that stay": ("workflows/ci.yml", CREDENTIALS, "", "artipacked"),
    "pull_request_target": (
        "workflows/train.yml",
        "  pull_request:\n",
        "  pull_request_target:\n",
        "dangerous-triggers",
    ),
    "rights for every job": (
        "workflows/train.yml",
        "permissions: {}",
        "permissions: write-all",
        "excessive-permissions",
    ),
    "a file that is no YAML": ("workflows/weekly.yml", "on:\n", "on: [\n", "invalid YAML"),
    "dependabot without a cooldown": (
        "dependabot.yml",
        "    cooldown:\n      default-days: 7\n",
        "",
        "dependabot-cooldown",
    ),
}


@pytest.mark.parametrize("defect", each_day(ZIZMOR))
def test_zizmor_sees_its_planted_defect(copy, defect):
    path, old, new, told = ZIZMOR[defect]

    copy.plant(path, old, new)

    code, words = zizmor(copy.root)
    assert code != 0
    assert told in words


@pytest.mark.parametrize(
    ("name", "path", "old", "new"),
    [
        ("vendor.github-issue-forms", "ISSUE_TEMPLATE/bug.yml", "type: input", "type: inptu"),
        ("vendor.dependabot", "dependabot.yml", "interval: weekly", "interval: sometimes"),
        ("vendor.github-actions", "actions/keep/action.yml", "      shell: bash\n", ""),
        ("custom.github-workflows-require-timeout", "workflows/ci.yml", "    timeout-minutes: 15\n", ""),
    ],
    ids=lambda value: value if value in SCHEMAS else "",
)
def test_a_schema_sees_its_planted_defect(copy, name, path, old, new):
    copy.plant(path, old, new)

    code, words = schema(name, copy.root, SCHEMAS[name])

    assert code == 1, words
