"""Workflow files with one thing changed, to ask an authority which of them it takes.

`python tests/actions/oracle/mutants.py FOLDER` asks the `@actions/workflow-parser` installed in FOLDER and rewrites the
recorded answers beside this file.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RECORDED = HERE / "mutants.jsonl"
COUNT = 400
SEED = 20261123

BASE = """\
name: Train
run-name: Train by ${{ github.actor }}
on:
  push:
    branches: [main, 'release/**']
  pull_request:
    types: [opened, synchronize]
  workflow_dispatch:
    inputs:
      features:
        description: Which features
        type: choice
        options: [honest, leaking]
        default: honest
      fast: {type: boolean, required: true}
permissions:
  contents: read
env:
  LEVEL: 3.10
defaults: {run: {shell: bash}}
concurrency: {group: 'train-${{ github.ref }}', cancel-in-progress: false}
jobs:
  test:
    runs-on: ${{ matrix.os }}
    continue-on-error: ${{ matrix.experimental == true }}
    strategy:
      fail-fast: false
      matrix:
        os: [ubuntu-24.04, windows-2025]
        include:
          - {os: macos-15, experimental: true}
    outputs:
      digest: ${{ steps.build.outputs.digest }}
    steps:
      - id: checkout
        uses: actions/checkout@v4
        with: {persist-credentials: false}
      - id: build
        if: success() && github.ref == 'refs/heads/main'
        run: make
        timeout-minutes: 5
  deploy:
    needs: [test]
    if: ${{ !cancelled() }}
    runs-on: [self-hosted, gpu]
    environment: {name: production, url: 'https://example.org'}
    timeout-minutes: 10
    steps:
      - run: echo ${{ needs.test.outputs.digest }}
"""
KEYS = [
    "name",
    "on",
    "jobs",
    "env",
    "run",
    "uses",
    "with",
    "steps",
    "needs",
    "if",
    "runs-on",
    "strategy",
    "matrix",
    "include",
    "exclude",
    "fail-fast",
    "outputs",
    "environment",
    "concurrency",
    "group",
    "permissions",
    "contents",
    "defaults",
    "shell",
    "timeout-minutes",
    "continue-on-error",
    "id",
    "branches",
    "types",
    "inputs",
    "type",
    "required",
    "services",
    "container",
    "secrets",
]
VALUES = [
    "true",
    "3",
    "'x'",
    "[1]",
    "{a: b}",
    "${{ github.ref }}",
    "${{ secrets.X }}",
    "${{ matrix.os }}",
    "${{ nosuch }}",
]
VALUES += ["${{ f() }}", "${{ 1 == }}", "push", "read", "write", "test", "__x", "1a", "'a b'"]
# What GitHub's servers or `jactionlint` refuse and the package does not look at; and the YAML that readers tell
# each in words of their own.
STRICTER = ("Invalid cron", "Unknown time zone", "Expected format", "Matrix vector", "Broken YAML", "you may only")
STRICTER += ("An expression in place",)


def mutate(chance: random.Random) -> str:
    """The base with one line deleted, doubled, renamed, given another value, or joined by a strange one."""
    lines = BASE.split("\n")
    at = chance.randrange(len(lines) - 1)
    kind = chance.random()
    found = re.match(r"(\s*(?:- )?)([\w-]+):(.*)$", lines[at])
    if kind < 0.2 or found is None:
        del lines[at]
    elif kind < 0.35:
        lines[at] = f"{found[1]}{chance.choice(KEYS)}:{found[3]}"
    elif kind < 0.6 and found[3] and "choice" not in found[3] and found[2] not in ("default", "options"):
        lines[at] = f"{found[1]}{found[2]}: {chance.choice(VALUES)}"
    elif kind < 0.75:
        lines[at] = f"{found[1]}{found[2][:-1]}{chance.choice('abx')}:{found[3]}"
    elif kind < 0.85:
        lines.insert(at, lines[at])
    else:
        blanks = re.match(r"\s*", lines[at])[0]
        lines.insert(at, f"{blanks}{chance.choice(KEYS)}: {chance.choice(VALUES)}")
    return "\n".join(lines)


def generate(seed: int, count: int) -> list[str]:
    """`count` different files."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    found: dict[str, None] = {}
    while len(found) < count:
        found[mutate(chance)] = None
    return list(found)


def digest(text: str) -> str:
    """A short name of a text: the record need not hold what can be generated again."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def ask(texts: list[str], folder: Path) -> list[list]:
    """The authority's problems of each: line, column, reason."""
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    command = ["node", str(HERE / "workflows.mjs")]
    done = subprocess.run(command, input=lines, cwd=folder, capture_output=True, encoding="utf-8", check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    mutants = generate(seed=SEED, count=COUNT)
    with RECORDED.open("w", encoding="utf-8") as file:
        for text, problems in zip(mutants, ask(mutants, Path(sys.argv[1])), strict=True):
            file.write(json.dumps({"text": digest(text), "problems": problems}) + "\n")
    print(f"{COUNT} mutants recorded in {RECORDED.name}")
