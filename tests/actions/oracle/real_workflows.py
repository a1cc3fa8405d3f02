"""The workflows of this repository, run end to end twice: in `act` and in our execute mode.

Real in both: the workflow files, every `run:` step, the pipeline, the registry, the approvals, the rollout, on one
month of flights. Stood in for, in both alike:

- `python -m pip` does nothing, for the course is installed already;
- `python -m mlops_lab run` gets a short month, and is computed once: whoever asks second is handed the same home
  folder, words and exit code;
- `python3.11` and its like are that same `python`, for the stub of `actions/setup-python` looks for them on the path;
- `python start.py test FOLDER` runs the unittest files of a small repository in that FOLDER; without a FOLDER it does
  nothing; `scripts/*.py`, `nox` and `micromamba` only say what they were asked for;
- `gh` answers what the workflows ask of GitHub: the default branch, the run that trained, who approved and who made it;
- actions of other repositories: artifacts are kept in a folder, all others do nothing.

For act alone, which does not know them, `$/` becomes `./`, and `queue:`, `deployment:` and `timezone:` are taken out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SYSTEMS = ("ubuntu-24.04", "macos-15", "windows-2025", "gpu-t4")

PYTHON = """#!/bin/bash
export PYTHONPATH={root}
case "$1 $2 $3" in
  "-m pip "*) exit 0 ;;
  "-m mlops_lab run")
    kept={kept}/$(echo "$* $FEATURES" | sha256sum | cut -c1-16)
    if [ ! -d "$kept" ]; then
      mkdir -p "$kept"
      {python} "$@" --quiet --param train_from=2013-05-01 --param holdout_days=10 --param watch_days=7 > "$kept.out"
      echo $? > "$kept.code"
      cp -R "$MLOPS_LAB_HOME/." "$kept"
    fi
    mkdir -p "$MLOPS_LAB_HOME" && cp -R "$kept/." "$MLOPS_LAB_HOME"
    cat "$kept.out"
    exit "$(cat "$kept.code")" ;;
  "start.py test "*)
    for folder in "${{@:3}}"; do
      [ -d "$folder" ] || continue
      {python} -S -m unittest discover --start-directory "$folder" 2>&1 || exit 1
    done
    exit 0 ;;
  "scripts/"* | "-m nox "*) echo "asked for: $*"; exit 0 ;;
esac
exec {python} "$@"
"""
GH = """#!/bin/bash
filter=.
for word in "$@"; do
  [ "$before" = --jq ] && filter=$word
  before=$word
done
case "$*" in
  api*"/approvals"*)
    answer='[{{"state":"approved","environments":[{{"name":"production"}}],"user":{{"login":"grace"}}}}]' ;;
  api*"/releases"*) answer='[]' ;;
  api*"status=waiting"*) answer='{{"workflow_runs":[]}}' ;;
  api*"/actions/runs/"*)
    answer='{{"path":".github/workflows/train.yml","head_branch":"main","event":"workflow_dispatch",
      "head_repository":{{"full_name":"octo-org/octo-repo"}},"actor":{{"login":"ada"}}}}' ;;
  "api "*) answer='{{"default_branch":"main"}}' ;;
  *) exit 0 ;;
esac
printf %s "$answer" | jq --raw-output "$filter"
"""
MICROMAMBA = '#!/bin/bash\necho "asked for: $*"\n'

UPLOAD = """
runs:
  using: composite
  steps:
    - shell: bash
      env: {{NAME: '${{{{ inputs.name }}}}', FILES: '${{{{ inputs.path }}}}'}}
      run: |
        mkdir -p "{artifacts}/$NAME"
        for file in $FILES; do cp "$file" "{artifacts}/$NAME"; done
"""
DOWNLOAD = """
runs:
  using: composite
  steps:
    - shell: bash
      env: {{NAME: '${{{{ inputs.name }}}}', TO: '${{{{ inputs.path }}}}'}}
      run: mkdir -p "$TO" && cp "{artifacts}/$NAME/"* "$TO"
"""
NOTHING = "\nruns: {using: composite, steps: [{shell: bash, run: 'true'}]}\n"
TEST = """import unittest

class Test(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(1 + 1, {})
"""


def repository(folder: Path, *, broken_test: bool = False) -> Path:
    """A small repository with the real `.github`, and a test that holds or does not."""
    shutil.copytree(ROOT / ".github", folder / ".github")
    for name in ("tests/house", "tests/workflows"):
        (folder / name).mkdir(parents=True)
        (folder / name / "test_sums.py").write_text(TEST.format(3 if broken_test else 2), encoding="utf-8")
    (folder / "model-report.md").write_text("nothing yet\n", encoding="utf-8")
    return folder


def programs(folder: Path) -> Path:
    """The stand-ins for `python`, `gh` and `micromamba`, to be put before everything else on the path."""
    folder.mkdir(parents=True)
    pythons = dict.fromkeys(["python", *(f"python3.{minor}" for minor in range(11, 16))], PYTHON)
    texts = {**pythons, "gh": GH, "micromamba": MICROMAMBA}
    for name, text in texts.items():
        (folder / name).write_text(
            text.format(python=sys.executable, root=ROOT, kept=folder / "kept"), encoding="utf-8"
        )
        (folder / name).chmod(0o755)
    return folder


def translated(repo: Path) -> None:
    """Take out of the workflows, in place, what act does not read."""
    for file in (repo / ".github").rglob("*.yml"):
        text = file.read_text(encoding="utf-8").replace("uses: $/", "uses: ./")
        text = re.sub(r"(?m)^ *(queue: max|deployment: false|timezone: ).*\n", "", text)
        file.write_text(text, encoding="utf-8")


def stand_ins(repo: Path, folder: Path) -> list[str]:
    """An action in a folder for each remote one; the options that tell act of them."""
    options = []
    for file in (repo / ".github").rglob("*.yml"):
        for name, ref in re.findall(r"uses: ([\w.-]+/[\w.-]+)@(\w+)", file.read_text(encoding="utf-8")):
            action = folder / name.replace("/", "+")
            if not action.exists():
                action.mkdir(parents=True)
                text = {"actions/upload-artifact": UPLOAD, "actions/download-artifact": DOWNLOAD}.get(name)
                body = text.format(artifacts=folder / "artifacts") if text else NOTHING
                inputs = "inputs: {name: {default: artifact}, path: {default: .}}"
                (action / "action.yml").write_text(f"name: {name}\n{inputs}{body}", encoding="utf-8")
                options += ["--local-repository", f"{name}@{ref}={action}"]
    return options


def ask(
    repo: Path, folder: Path, workflow: str, event: str, *, inputs: Mapping[str, str], actor: str, act: str
) -> list:
    """Run a workflow in act; its log, one entry a line."""
    translated(repo)
    env = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache", "HOME": f"{folder}/home", "NO_COLOR": "1"}
    (folder / "home").mkdir()
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        [*who, "commit", "-qm", "x"],
        ["remote", "add", "origin", "https://github.com/octo-org/octo-repo.git"],
    ):
        subprocess.run(["git", *words], cwd=repo, check=True, env=env)
    command = [act, event, "--json", "-W", f".github/workflows/{workflow}", "--actor", actor, "--concurrent-jobs", "1"]
    command += ["--no-cache-server", "--action-cache-path", f"{folder}/actions", "-s", "GITHUB_TOKEN=unused-token"]
    command += [word for system in SYSTEMS for word in ("-P", f"{system}=-self-hosted")]
    command += [word for name, value in inputs.items() for word in ("--input", f"{name}={value}")]
    command += stand_ins(repo, folder / "stand-ins")
    done = subprocess.run(command, cwd=repo, capture_output=True, encoding="utf-8", check=False, env=env, timeout=600)
    entries: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not any("jobResult" in entry for entry in entries):
        raise AssertionError(f"act ran nothing: {done.stderr[-2000:]}{done.stdout[-2000:]}")
    return entries
