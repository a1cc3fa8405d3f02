"""What is committed names no folder of somebody's machine and no host of a package registry."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The homes of GitHub's runner and of Binder's user are documented names, and nobody's machine.
# One letter in brackets finds the same and keeps this file free of what it looks for.
FOLDERS = re.compile(
    r"(?<![\w.~}*-])/(?:[r]oot|[w]ork|[f]arm)/|/[h]ome/(?!runner\b|jovyan\b)\w+|/[U]sers/\w+|[A-Z]:\\{1,2}[U]sers|/[t]mp/[a-z0-9_]+"
)
HOSTS = re.compile(
    r"[p]ypi\.org|[p]ythonhosted\.org|[r]egistry\.npmjs|[n]pmjs\.org|[d]eb\.debian\.org|[c]onda\.anaconda\.org"
)


def faults(name: str, text: str) -> list[str]:
    lines = enumerate(text.splitlines(), start=1)
    return [
        f"{name}:{number}: {found[0]}"
        for number, line in lines
        for found in (FOLDERS.search(line), HOSTS.search(line))
        if found
    ]


def tracked() -> list[Path]:
    try:
        answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git clone: what is tracked cannot be told")
    return [ROOT / name for name in answer.stdout.split("\0") if name]


def test_no_tracked_file_names_a_machine_or_a_registry():
    found = []
    for path in tracked():
        if path.is_file():
            raw = path.read_bytes()
            if b"\0" not in raw:
                found += faults(path.relative_to(ROOT).as_posix(), raw.decode("utf-8", "replace"))

    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "home = '/ro|ot/.cache'",
        "see /wo|rk/main/x",
        "saved to /ho|me/ada/course",
        "saved to /Us|ers/ada/course",
        r"C:\Us|ers\ada",
        "open('/t|mp/x1/y')",
        "https://py|pi.org/simple",
        "https://files.python|hosted.org/packages",
        "https://registry.npm|js.org/",
    ],
)
def test_a_planted_leak_is_seen(line):
    assert len(faults("x", line.replace("|", ""))) == 1


@pytest.mark.parametrize(
    "line", ["~/work/notes", "${RUNNER_TEMP}/work/x", "tmp_path / 'x'", "the home folder home/artifacts"]
)
def test_an_innocent_line_passes(line):
    assert faults("x", line) == []
