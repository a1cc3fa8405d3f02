"""The command line called in this process, and a home folder that the pipeline has filled once for all tests."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_lab.cli import main

# Three weeks to learn from and ten days for the exam: the shortest range of spring on which the honest model passes.
SHORT = (
    *("--date", "2013-06-01", "--param", "train_from=2013-05-01"),
    *("--param", "holdout_days=10", "--param", "watch_days=3"),
)


@dataclass(frozen=True)
class Answer:
    """What a command said, where, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def line(self):
        """The one line of standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def call(*words) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Answer(code, out.getvalue(), err.getvalue())


def content(path: Path) -> bytes:
    if path.suffix != ".db" or path.name == "online.db":  # that one is large, and looking never opens it to write
        return path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode()


@dataclass(frozen=True)
class Terminal:
    """A person at a terminal whose home folder is this one."""

    home: Path

    def __call__(self, *words) -> Answer:
        return call(*words, "--home", self.home)

    def state(self) -> dict[str, str]:
        """Every file that is kept, and what it says: rows for SQLite, whose bytes and side files come and go."""
        files = [path for path in self.home.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
        return {str(path): hashlib.sha256(content(path)).hexdigest() for path in files}


@pytest.fixture(autouse=True)
def _no_outside(monkeypatch, tmp_path):
    """No test depends on the folder or the variables it is started with."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLOPS_LAB_HOME", "MLOPS_LAB_DEBUG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """The honest run, on a page of a hundred columns, then the leaking one, in one home folder: what each said."""
    terminal = Terminal(tmp_path_factory.mktemp("cli") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        honest = terminal("run", *SHORT, "--author", "ada")
    leaking = terminal("run", *SHORT, "--author", "ada", "--features", "daily_averages", "--json")
    return terminal, honest, leaking


@pytest.fixture(scope="session")
def filled(runs):
    """The filled home folder, to look at only."""
    return runs[0]


@pytest.fixture(scope="module")
def untouched(filled, tmp_path_factory):
    """One copy for all that must change nothing, and what it holds."""
    terminal = Terminal(Path(shutil.copytree(filled.home, tmp_path_factory.mktemp("untouched") / "home")))
    return terminal, terminal.state()


@pytest.fixture
def terminal(filled, tmp_path):
    """A copy of the filled home folder, to change."""
    return Terminal(Path(shutil.copytree(filled.home, tmp_path / "home")))


@pytest.fixture
def empty(tmp_path):
    """A home folder that does not exist yet."""
    return Terminal(tmp_path / "new")
