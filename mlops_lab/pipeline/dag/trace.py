"""What is written on disk of every run?"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mlops_lab.base.errors import HomeError, InvalidData
from mlops_lab.base.storage import connect_read_only
from mlops_lab.pipeline.dag.journal import Guard, Journal, text_of
from mlops_lab.pipeline.dag.lock import Lock
from mlops_lab.pipeline.dag.run import DagRun

__all__ = ["RUN_TYPES", "Trace", "run_id_of"]

RUN_TYPES = ("manual", "scheduled", "backfill")
_VERSION = 2
_PAGES = 20_000  # of the write-ahead log before it is folded into the file in the middle of a run; the end always does
_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    key INTEGER PRIMARY KEY, dag_id TEXT NOT NULL, base TEXT NOT NULL, run_id TEXT NOT NULL, run_type TEXT NOT NULL,
    logical_date TEXT NOT NULL, params TEXT NOT NULL, shape TEXT NOT NULL, state TEXT NOT NULL,
    started TEXT, ended TEXT, claims INTEGER NOT NULL DEFAULT 0, UNIQUE (dag_id, run_id));
CREATE INDEX IF NOT EXISTS runs_base ON runs (dag_id, base);
CREATE TABLE IF NOT EXISTS steps (
    step INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs (key), task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL, state TEXT NOT NULL, started TEXT, ended TEXT, why TEXT NOT NULL DEFAULT '', result TEXT);
"""
_MIGRATION = """
DROP INDEX IF EXISTS steps_run;
UPDATE steps SET step = (run << 32) + step
"""


def run_id_of(run_type: str, logical_date: datetime) -> str:
    """The run's name, Airflow's form of it: how it was started, and what for."""
    return f"{run_type}__{logical_date.isoformat()}"


class Trace:
    """The file `dag_runs.db` in a home folder: one row a run, one row a step (an attempt, or a decision not to try).

    SQLite with a write-ahead log: every change of state is in the file before a task begins to work or anybody is told,
    so the death of the process at any instant loses nothing (a power cut may lose the last moments, never the file).
    The end of one task and the beginning of the next are one transaction. The steps of a run have the numbers from its
    key times 2^32 on, so that they lie together in the file and need no index. Several processes may write at once. A
    lock that the operating system drops with its process says which runs are alive.
    """

    def __init__(self, home: str | Path, *, create: bool = True) -> None:
        self.home = Path(home)
        self.path = self.home / "dag_runs.db"
        if not create and not self.path.is_file():
            raise FileNotFoundError(self.path)
        if "\0" in str(home):  # which each Python says in other words
            raise HomeError(self.home, "no path holds a zero byte")
        with self.guarded():
            self.home.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                self._prepare()
            except BaseException as error:
                self.connection.close()
                if create or not isinstance(error, sqlite3.OperationalError) or "locked" in str(error):
                    raise
                self.connection = self._only_read(error)  # looking back needs no place to write
        self._lock: Lock | None = None

    def _only_read(self, error: sqlite3.OperationalError) -> sqlite3.Connection:
        connection = connect_read_only(self.path)
        if connection.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            connection.close()
            raise error
        return connection

    def _prepare(self) -> None:
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise HomeError(self.home, f"dag_runs.db was written by a newer mlops-lab (format {version}); update it")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")
        if version == _VERSION:
            return
        with self._transaction():
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()  # another process may have been here
            for statement in (_TABLES if version == 0 else _MIGRATION if version == 1 else "").split(";"):
                self.connection.execute(statement)
            self.connection.execute(f"PRAGMA user_version = {_VERSION}")

    def open_run(self, run: DagRun) -> tuple[DagRun, Journal]:
        """Enter a new run; it gets a suffix when its name is taken by an earlier manual one."""
        with self.guarded(), self._transaction():
            (taken,) = self.connection.execute(
                "SELECT COUNT(*) FROM runs WHERE dag_id = ? AND base = ?", (run.dag_id, run.run_id)
            ).fetchone()
            if taken and run.run_type != "manual":
                raise InvalidData(
                    f"DAG {run.dag_id} already has the run {run.run_id}; resume it with resume={run.run_id!r}, "
                    "or run the date again by hand with run_type='manual'."
                )
            run_id = f"{run.run_id}__{taken + 1}" if taken else run.run_id
            values = (run.dag_id, run.run_id, run_id, run.run_type, text_of(run.logical_date))
            key = self.connection.execute(
                "INSERT INTO runs (dag_id, base, run_id, run_type, logical_date, params, shape, state, started) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?)",
                (*values, json.dumps(dict(run.params)), json.dumps(dict(run.shape)), text_of(run.started)),
            ).lastrowid
            self._lock = Lock(self._lock_path(key))  # inside, so that nobody finds the run without its lock
        return replace(run, run_id=run_id), Journal(self.connection, self.home, key)

    def claim(self, run: DagRun) -> Journal:
        """Take up a run again; InvalidData when another process is still at it."""
        with self.guarded():
            key, claims = self.connection.execute(
                "SELECT key, claims FROM runs WHERE dag_id = ? AND run_id = ?", (run.dag_id, run.run_id)
            ).fetchone()
            busy = InvalidData(f"run {run.run_id} of DAG {run.dag_id} is being run by another process right now.")
            try:
                self._lock = Lock(self._lock_path(key))
            except BlockingIOError:
                raise busy from None
            # The lock file is removed at the end of a run, so for a moment two processes can hold two files of one
            # name: only one of them finds the count of claims that it read.
            changed = self.connection.execute(
                "UPDATE runs SET state = 'running', ended = NULL, claims = claims + 1 WHERE key = ? AND claims = ?",
                (key, claims),
            )
            if not changed.rowcount:
                raise busy
        return Journal(self.connection, self.home, key)

    def _lock_path(self, key: int | None) -> Path:
        return self.home / f"dag_runs.db.run{key}.lock"

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def guarded(self) -> Guard:
        """Inside it, errors of SQLite and of the disk become errors of this package."""
        return Guard(self.home)

    def close(self) -> None:
        """Let go of the file and of the run."""
        self.connection.close()
        if self._lock is not None:
            self._lock.release()
