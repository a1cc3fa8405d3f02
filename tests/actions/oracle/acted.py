"""Whole workflows to run twice: in `act` and here.

`python tests/actions/oracle/acted.py PATH_OF_ACT` runs them in act and rewrites the recorded answers beside this file.
Left out is what act does unlike GitHub: `continue-on-error` of jobs, failing steps in a matrix,
the default shell in a matrix, outputs of skipped jobs, inputs
whose names differ in case, `strategy.job-total`, approvals, concurrency,
`case()`, `$/`, `hashFiles`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

RECORDED = Path(__file__).parent / "act.jsonl"
COUNT = 40

ACTION = """\
name: act
inputs: {who: {default: nobody}, word: {default: hello}}
outputs: {said: {value: '${{ steps.say.outputs.said }}'}, n: {value: '${{ steps.count.outputs.n }}'}}
runs:
  using: composite
  steps:
    - {id: say, run: 'echo "said=${{ inputs.word }} ${{ inputs.who }}" >> "$GITHUB_OUTPUT"', shell: bash}
    - {id: count, run: 'echo "n=${#WHO}" >> "$GITHUB_OUTPUT"', shell: bash, env: {WHO: '${{ inputs.who }}'}}
"""
CALLED = """\
on:
  workflow_call:
    inputs: {who: {type: string, required: true}, times: {type: number, default: 2}, loud: {type: boolean}}
    secrets: {KEY: {required: false}}
    outputs: {sum: {value: '${{ jobs.inner.outputs.sum }}'}}
jobs:
  inner:
    runs-on: ubuntu-24.04
    outputs: {sum: '${{ steps.s.outputs.sum }}'}
    steps:
      - {id: s, run: 'echo "sum=${{ inputs.who }}-${{ inputs.times }}" >> "$GITHUB_OUTPUT"'}
      - {id: u, run: 'echo "OUT called ${{ inputs.who }}"'}
      - {id: t, if: '${{ inputs.loud }}', run: 'echo "OUT LOUD"'}
"""

STEPS = [
    "{id: ID, run: 'echo \"OUT ID $GITHUB_JOB $CI\"'}",
    "{id: ID, run: 'echo \"OUT ${{ env.LEVEL }} $LEVEL\"', env: {LEVEL: step}}",
    "{id: ID, run: 'echo \"OUT ${{ env.LEVEL }} ${{ env.BASE }} $BASE\"'}",
    "{id: ID, run: 'echo v=ID >> \"$GITHUB_OUTPUT\"'}",
    "{id: ID, run: \"printf 'v<<END\\\\na=1\\\\nb\\\\nEND\\\\n' >> $GITHUB_OUTPUT\"}",
    '{id: ID, run: \'echo "FROM=ID" >> "$GITHUB_ENV"\'}',
    "{id: ID, run: 'echo \"OUT from $FROM ${{ env.FROM }}\"'}",
    '{id: ID, run: \'mkdir -p bin && printf "#!/bin/sh\\necho OUT tool\\n" > bin/toolID && chmod +x bin/toolID && echo "$PWD/bin" >> "$GITHUB_PATH"\'}',  # noqa: E501
    "{id: ID, run: 'exit 3', continue-on-error: true}",
    "{id: ID, run: 'false | true; echo \"OUT pipe\"'}",
    "{id: ID, run: 'false | true; echo \"OUT pipe\"', shell: bash, continue-on-error: true}",
    "{id: ID, run: 'false; echo \"OUT never\"', shell: sh, continue-on-error: true}",
    "{id: ID, run: 'print(\"OUT\", 6 * 7)', shell: python}",
    "{id: ID, run: 'mkdir -p sub && cd sub && echo \"OUT ${PWD##*/}\"'}",
    "{id: ID, uses: ./act, with: {who: 'ID'}}",
    "{id: ID, uses: ./act, with: {who: \"${{ format('{0}!', 'x') }}\", word: bye}}",
    '{id: ID, run: \'echo "::add-mask::hush"; echo "OUT hush done"\'}',
    "{id: ID, run: 'echo \"OUT ${{ secrets.KEY }} ${{ vars.REGION }}\"'}",
    "{id: ID, run: 'echo \"OUT ${{ github.event_name }} ${{ github.job }} ${{ runner.os }}\"'}",
    "{id: ID, run: 'echo \"OUT ${{ matrix.x }}\"'}",
    "{id: ID, run: 'echo OUT ${{ toJSON(needs) != null }} ${{ contains(needs.*.result, 1) }}'}",
]
FAILING = ["{id: ID, run: 'exit 1'}", "{id: ID, run: 'false; echo never'}"]
READING = [
    "{id: ID, run: 'echo \"OUT [${{ steps.OTHER.outputs.v }}] ${{ steps.OTHER.outcome }}\"'}",
    "{id: ID, run: 'echo \"OUT ${{ steps.OTHER.conclusion }}\"'}",
    "{id: ID, if: \"steps.OTHER.outcome == 'success'\", run: 'echo \"OUT [${{ steps.OTHER.outputs.said }}]\"'}",
]
STEP_IFS = [
    "always()",
    "failure()",
    "success()",
    "'!cancelled()'",
    "github.event_name == 'PUSH'",
    "'!failure()'",
    "false",
]
JOB_IFS = ["always()", "failure()", "success()", "'!cancelled()'", "github.event_name == 'push'", "false"]
MATRICES = [
    "{x: [1, 2]}",
    "{x: [a, b], y: [1, 2], exclude: [{x: a, y: 2}]}",
    "{x: [a], include: [{x: a, z: 9}, {x: c}]}",
    "{include: [{x: 1, y: 2}, {x: 3}]}",
    "{x: '${{ fromJSON(''[1.5, true]'') }}'}",
]


def generate(seed: int) -> str:
    """One workflow."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    text = "on: push\nenv: {LEVEL: workflow, BASE: workflow}\njobs:\n"
    names: list[str] = []
    calls = ""
    for index in range(chance.randint(2, 4)):
        name = f"j{index}"
        needs = [other for other in names if chance.random() < 0.5]
        text += f"  {name}:\n" + (f"    needs: [{', '.join(needs)}]\n" if needs else "")
        text += f"    if: {chance.choice(JOB_IFS)}\n" if chance.random() < 0.4 else ""
        if not calls and chance.random() < 0.15:
            text += "    uses: ./.github/workflows/called.yml\n"
            text += f"    with: {{who: {name}, loud: {chance.choice(['true', 'false'])}}}\n"
            calls = name
        else:
            text += own_job(chance)
            for needed in needs:
                output = f"needs.{needed}.outputs.{'sum' if needed == calls else 'o'}"
                seen = f"${{{{ needs.{needed}.result }}}} ${{{{ needs.{needed}.result == 0 || {output} }}}}"
                text += f"      - {{if: \"needs.{needed}.result == 'success'\", run: 'echo \"OUT needs {seen}\"'}}\n"
        names.append(name)
    return text


def own_job(chance: random.Random) -> str:
    """A job with steps of its own."""
    matrix = chance.random() < 0.3
    steps: list[str] = []
    for number in range(chance.randint(1, 5)):
        choice = chance.random()
        step = chance.choice([step for step in STEPS if not matrix or not ("false" in step or "exit" in step)])
        if steps and choice < 0.3:
            step = chance.choice(READING).replace("OTHER", f"s{chance.randrange(number)}")
        elif choice > 0.85 and not matrix:
            step = chance.choice(FAILING)
        if "if:" not in step and chance.random() < 0.3:
            step = step.removesuffix("}") + f", if: {chance.choice(STEP_IFS)}}}"
        steps.append(step.replace("ID", f"s{number}"))
    text = ""
    if chance.random() < 0.5:
        text += f"    outputs: {{o: 'o-${{{{ steps.s{chance.randrange(len(steps))}.outputs.v }}}}'}}\n"
    text += "    runs-on: ubuntu-24.04\n"
    text += f"    strategy: {{fail-fast: false, matrix: {chance.choice(MATRICES)}}}\n" if matrix else ""
    text += "    env: {LEVEL: job}\n" if chance.random() < 0.4 else ""
    text += "    steps:\n" + ("      - uses: actions/checkout@v4\n" if chance.random() < 0.9 else "")
    return text + "".join(f"      - {step}\n" for step in steps)


def write(text: str, folder: Path) -> Path:
    """A small repository with the workflow in it."""
    files = {".github/workflows/main.yml": text, ".github/workflows/called.yml": CALLED, "act/action.yml": ACTION}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder / ".github/workflows/main.yml"


def key_of(job: str, matrix: dict) -> str:
    return job + (" " + json.dumps(matrix, sort_keys=True) if matrix else "")


def ask(text: str, act: str) -> dict:
    """What act made of the workflow: for each job that ran, its result, its steps' outcomes, its OUT lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "repo"
        write(text, folder)
        env = {**os.environ, "XDG_CACHE_HOME": f"{name}/cache", "HOME": name}
        for command in (["git", "init", "-q"], ["git", "add", "-A"]):
            subprocess.run(command, cwd=folder, check=True, env=env)
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *who, "commit", "-qm", "x"], cwd=folder, check=True, env=env)
        command = [act, "push", "-P", "ubuntu-24.04=-self-hosted", "--json", "-W", ".github/workflows/main.yml"]
        command += ["-s", "KEY=s3cret", "--var", "REGION=eu", "--action-cache-path", f"{name}/actions"]
        command += ["--concurrent-jobs", "1"]  # jobs of a matrix side by side disturb each other in act
        done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False, env=env)
    jobs: dict[str, dict] = {}
    for line in done.stdout.splitlines():
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        if "jobID" not in entry:
            continue
        job = jobs.setdefault(
            key_of(entry["jobID"], entry.get("matrix") or {}), {"result": None, "steps": {}, "out": []}
        )
        if entry.get("raw_output") and entry["msg"].startswith("OUT"):
            job["out"].append(entry["msg"].strip())
        if "stepResult" in entry and entry.get("stage") == "Main" and len(entry["stepID"]) == 1:
            job["steps"][entry["stepID"][0]] = entry["stepResult"]
        if "jobResult" in entry:
            job["result"] = entry["jobResult"]
    return {"jobs": jobs, "error": "" if jobs or "Error" not in done.stderr else done.stderr[-300:]}


if __name__ == "__main__":
    with RECORDED.open("w", encoding="utf-8") as file:
        for seed in range(COUNT):
            workflow = generate(seed)
            file.write(json.dumps({"workflow": workflow, **ask(workflow, sys.argv[1])}) + "\n")
    print(f"{COUNT} workflows recorded in {RECORDED.name}")
