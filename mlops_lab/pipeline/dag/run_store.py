"""The run store: what is written on disk of every run, and read from there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, MlopsLabError, UnknownName
from mlops_lab.base.storage import Database
from mlops_lab.pipeline.dag.run import Attempt, DagRun, TaskInstance


class Lock:
    """A lock that the operating system drops when its process dies, on every system.

    It is an empty SQLite file held by an exclusive transaction, because the standard library has no other file lock
    that works alike on Linux, macOS and Windows, and between threads as well as between processes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if "locked" in str(error):
                raise BlockingIOError(str(path)) from None
            raise

    def release(self) -> None:
        """Let go; the file goes too."""
        self._connection.close()
        with suppress(OSError):  # on Windows another process may have it open to look
            self.path.unlink()


_ADD = "INSERT INTO steps (step, run, task_id, attempt, state, started, ended, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_END = "UPDATE steps SET state = ?, ended = ?, why = ?, result = ? WHERE step = ?"
_CLOSE_ORPHANS = (
    "UPDATE steps SET state = 'failed', ended = ?, why = ? WHERE step BETWEEN ? AND ? AND state = 'running'"
)
_CLOSE_RUN = "UPDATE runs SET state = ?, ended = ? WHERE key = ?"


def steps_of(key: int | None) -> tuple[int, int]:
    """The first and the last number that a step of this run can have."""
    first = (key or 0) << 32
    return first, first + 2**32 - 1


class EventWriter:
    """Writes what happens in one run. What it is told is in the file once `flush` has returned."""

    def __init__(self, database: Database, key: int | None) -> None:
        self._key = key
        self._database = database
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        first = steps_of(key)[0]
        with database.reading() as connection:
            question = "SELECT MAX(step) FROM steps WHERE step BETWEEN ? AND ?"
            (last,) = connection.execute(question, steps_of(key)).fetchone()
        self._step = first if last is None else last + 1

    def began(self, task_id: str, attempt: int, at: datetime) -> int:
        """An attempt starts; returns the step to hand to `ended`."""
        return self._add(task_id, attempt, "running", text_of(at), None, "")

    def ended(self, step: int, state: str, at: datetime, why: str, result: Any) -> None:
        """That attempt ended."""
        text = json.dumps(result) if state == "success" else None
        self._waiting.append((_END, (state, text_of(at), _storable(why), text, step)))

    def decided(self, task_id: str, state: str, at: datetime, why: str) -> None:
        """A task got its state without an attempt."""
        self._add(task_id, 0, state, text_of(at), text_of(at), _storable(why))

    def _add(self, task_id: str, attempt: int, state: str, started: str | None, ended: str | None, why: str) -> int:
        step = self._step
        self._step += 1
        self._waiting.append((_ADD, (step, self._key, task_id, attempt, state, started, ended, why)))
        return step

    def close_orphans(self, at: datetime, why: str) -> None:
        """Attempts that a dead process left open are closed."""
        self._waiting.append((_CLOSE_ORPHANS, (text_of(at), why, *steps_of(self._key))))
        self.flush()

    def closed(self, state: str, at: datetime) -> None:
        """The run is over."""
        self._waiting.append((_CLOSE_RUN, (state, text_of(at), self._key)))
        self.flush()

    def flush(self) -> None:
        """Write down what was told, all of it or nothing."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            with self._database.transaction() as connection:
                for statement, values in waiting:
                    connection.execute(statement, values)


@contextmanager
def guarded(home: Path) -> Iterator[None]:
    """Inside it, errors of SQLite, of the disk and of what stands in the file become errors that name the home."""
    try:
        yield
    except MlopsLabError:
        raise
    except UnicodeEncodeError as error:
        raise InvalidData(f"a run is asked for by text and whole numbers: {error}.") from None
    except (sqlite3.OperationalError, OSError) as error:
        raise HomeError(home, f"dag_runs.db: {error}") from None
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        path = str(home / "dag_runs.db")
        raise IntegrityError(path, expected="a trace of DAG runs", found=repr(error)) from None


def text_of(moment: datetime | None) -> str | None:
    """A moment as the file has it."""
    return None if moment is None else moment.isoformat()


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no UTF-8


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


class RunStore:
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
        self.database = Database(
            self.path,
            kind="run store",
            schema=_TABLES,
            version=_VERSION,
            migrations={1: _MIGRATION},
            pragmas={"synchronous": "NORMAL", "wal_autocheckpoint": str(_PAGES), "foreign_keys": "OFF"},
        )
        self._lock: Lock | None = None

    def open_run(self, run: DagRun) -> tuple[DagRun, EventWriter]:
        """Enter a new run; it gets a suffix when its name is taken by an earlier manual one."""
        with guarded(self.home), self.database.transaction() as connection:
            (taken,) = connection.execute(
                "SELECT COUNT(*) FROM runs WHERE dag_id = ? AND base = ?", (run.dag_id, run.run_id)
            ).fetchone()
            if taken and run.run_type != "manual":
                raise InvalidData(
                    f"DAG {run.dag_id} already has the run {run.run_id}; resume it with resume={run.run_id!r}, "
                    "or run the date again by hand with run_type='manual'."
                )
            run_id = f"{run.run_id}__{taken + 1}" if taken else run.run_id
            values = (run.dag_id, run.run_id, run_id, run.run_type, text_of(run.logical_date))
            key = connection.execute(
                "INSERT INTO runs (dag_id, base, run_id, run_type, logical_date, params, shape, state, started) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?)",
                (*values, json.dumps(dict(run.params)), json.dumps(dict(run.shape)), text_of(run.started)),
            ).lastrowid
            self._lock = Lock(self._lock_path(key))  # inside, so that nobody finds the run without its lock
        return replace(run, run_id=run_id), EventWriter(self.database, key)

    def claim(self, run: DagRun) -> EventWriter:
        """Take up a run again; InvalidData when another process is still at it."""
        with guarded(self.home), self.database.transaction() as connection:
            key, claims = connection.execute(
                "SELECT key, claims FROM runs WHERE dag_id = ? AND run_id = ?", (run.dag_id, run.run_id)
            ).fetchone()
            busy = InvalidData(f"run {run.run_id} of DAG {run.dag_id} is being run by another process right now.")
            try:
                self._lock = Lock(self._lock_path(key))
            except BlockingIOError:
                raise busy from None
            # The lock file is removed at the end of a run, so for a moment two processes can hold two files of one
            # name: only one of them finds the count of claims that it read.
            changed = connection.execute(
                "UPDATE runs SET state = 'running', ended = NULL, claims = claims + 1 WHERE key = ? AND claims = ?",
                (key, claims),
            )
            if not changed.rowcount:
                raise busy
        return EventWriter(self.database, key)

    def _lock_path(self, key: int | None) -> Path:
        return self.home / f"dag_runs.db.run{key}.lock"

    def close(self) -> None:
        """Let go of the file and of the run."""
        self.database.close()
        if self._lock is not None:
            self._lock.release()


_SELECT = "SELECT key, dag_id, run_id, run_type, logical_date, params, shape, state, started, ended FROM runs"


def get_run(home: str | Path, run_id: str, *, dag_id: str | None = None) -> DagRun:
    """One run from the trace in a home folder; a run whose process died says `running` for what it was at.

    Raises:
        UnknownName: there is no such run.
        InvalidData: several DAGs have a run of that name; `dag_id` says which.
        HomeError, IntegrityError: the file cannot be read, or is no trace.
    """
    try:
        store = RunStore(home, create=False)
    except FileNotFoundError:
        raise UnknownName("run", run_id, where=f"DAG {dag_id}" if dag_id else "this home") from None
    with closing(store):
        return read_run(store, run_id, dag_id=dag_id)


def list_runs(home: str | Path, *, dag_id: str | None = None, limit: int = 1000) -> list[DagRun]:
    """The newest runs of a home folder (of one DAG), in the order in which they were started.

    >>> list_runs("nowhere")
    []

    Raises:
        HomeError, IntegrityError: the file cannot be read, or is no trace.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise InvalidData(f"limit is {limit!r}; give a whole number from 0 up.")
    try:
        store = RunStore(home, create=False)
    except FileNotFoundError:
        return []
    with closing(store), guarded(store.home), store.database.reading() as connection:
        rows = connection.execute(
            _SELECT + " WHERE dag_id = COALESCE(?, dag_id) ORDER BY key DESC LIMIT ?", (dag_id, limit)
        ).fetchall()
        return [_run(connection, row) for row in reversed(rows)]


def read_run(store: RunStore, run_id: str, *, dag_id: str | None = None) -> DagRun:
    """One run as it stands."""
    with guarded(store.home), store.database.reading() as connection:
        found = connection.execute(
            _SELECT + " WHERE run_id = ? AND dag_id = COALESCE(?, dag_id)", (run_id, dag_id)
        ).fetchall()
        if not found:
            names = connection.execute(
                "SELECT run_id FROM runs WHERE dag_id = COALESCE(?, dag_id) ORDER BY key DESC LIMIT 1000", (dag_id,)
            )
            where = f"DAG {dag_id}" if dag_id else "this home"
            raise UnknownName("run", run_id, [name for (name,) in names], where=where)
        if len(found) > 1:
            dags = ", ".join(sorted(row[1] for row in found))
            raise InvalidData(f"several DAGs have a run {run_id} ({dags}); say which with dag_id=.")
        return _run(connection, found[0])


def _run(connection: sqlite3.Connection, row: tuple[Any, ...]) -> DagRun:
    key, dag_id, run_id, run_type, logical_date, params, shape, state, started, ended = row
    steps: dict[str, list[tuple[Any, ...]]] = {}
    for task_id, *step in connection.execute(
        "SELECT task_id, attempt, state, started, ended, why, result FROM steps "
        "WHERE step BETWEEN ? AND ? ORDER BY step",
        steps_of(key),
    ):
        steps.setdefault(task_id, []).append(tuple(step))
    shape = json.loads(shape)
    date = datetime.fromisoformat(logical_date)
    instances = tuple(_instance(name, steps.get(name)) for name in shape["order"])
    times = (_moment(started), _moment(ended))
    return DagRun(run_id, dag_id, date, json.loads(params), state, instances, *times, run_type, shape)


def _instance(task_id: str, steps: list[tuple[Any, ...]] | None) -> TaskInstance:
    if not steps:
        return TaskInstance(task_id, "no_status")
    attempts = tuple(
        Attempt(number, state, _moment(started), _moment(ended), why)
        for number, state, started, ended, why, _ in steps
        if number
    )
    number, state, started, ended, why, result = steps[-1]
    value = None if result is None else json.loads(result)
    first = next((_moment(each[2]) for each in steps if bool(each[0]) == bool(number)), None)
    return TaskInstance(task_id, state, attempts, first or _moment(started), _moment(ended), why, value)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
