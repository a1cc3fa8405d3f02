"""What the home folder keeps: SQLite files, locks, files written whole, JSON values and names.

A crash at any instant, several processes at once, a fork, a folder that can only be read or a stranger's file: none of
them does harm. SQLite's and the system's complaints become errors of this package.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData

_BUSY_SECONDS = 30.0  # how long a writer waits for its turn
_OPEN_TRIES = 600  # SQLite does not wait while a new file changes to WAL, so opening tries again, 0.05 s apart
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FORK_SECONDS = 5.0  # how long a fork waits for the transactions of other threads


class Database:
    """One SQLite file with a known kind and schema version, shared by threads and processes.

    Write-ahead log, full synchronization, one writer at a time. `application_id` and `user_version` (fields of the
    file's header, https://www.sqlite.org/pragma.html) say whose file it is, so that somebody else's database is
    refused instead of filled with our tables. Before a fork the file is closed, and both processes open it again
    (https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_).

    >>> with tempfile.TemporaryDirectory() as home:
    ...     notes = Database(Path(home) / "notes.db", kind="notebook", application_id=7, version=1,
    ...                      schema="CREATE TABLE notes (text TEXT)")
    ...     with notes.transaction() as connection:
    ...         _ = connection.execute("INSERT INTO notes VALUES ('wind from the west')")
    ...     with notes.reading() as connection:
    ...         print(connection.execute("SELECT text FROM notes").fetchone()[0])
    ...     notes.close()
    wind from the west

    A file that is there and cannot be written is read all the same; only a `transaction` is refused then.

    Args:
        path: the file; its folder is made when it is.
        kind: what it is, for messages.
        application_id: whose file it is; 0 for a file without a mark.
        version: of the schema.
        schema: the SQL that makes an empty file ours.
        migrations: from each older version, what makes it the next one: SQL, or a function of the connection.
        pragmas: SQLite settings that differ, such as `{"synchronous": "NORMAL"}`.
        create: make the file at once; if False the first `transaction` does, and until then it reads as empty.

    Raises:
        HomeError: the folder or file cannot be read or written, belongs to something else, or is too new.
        IntegrityError: the file's bytes are damaged.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        kind: str,
        schema: str,
        version: int = 0,
        application_id: int = 0,
        migrations: Mapping[int, str | Callable[[sqlite3.Connection], None]] | None = None,
        pragmas: Mapping[str, str] | None = None,
        create: bool = True,
    ) -> None:
        self.path = Path(path)
        self.kind = kind
        self._application_id, self._version, self._schema = application_id, version, schema
        self._migrations = dict(migrations or {})
        self._pragmas = {"synchronous": "FULL", "foreign_keys": "ON", "recursive_triggers": "ON"} | dict(pragmas or {})
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self._which: tuple[int, int] | None = None
        self._once = False  # is the connection good for one use only?
        self._create = create
        self._close = weakref.finalize(self, lambda: None)
        with _DATABASES_LOCK:
            _DATABASES.add(self)
        if create:
            with self._lock:
                try:
                    self._connection(create=True)
                except Exception as error:
                    raise self._in_our_words(error) from None

    def __repr__(self) -> str:
        return f"Database({self.path.name!r}, kind={self.kind!r})"

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._close()
            self._open = None

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """All of the block's changes, on disk when it ends, or none of them; one writer at a time."""
        return _Block(self, "BEGIN IMMEDIATE")

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """One unchanging view of the file, whatever others write meanwhile."""
        return _Block(self, "BEGIN")

    def _connection(self, *, create: bool) -> sqlite3.Connection:
        if self._open is not None and (self._which is None or self._which == _identity(self.path)):
            return self._open
        self.close()  # the file under the name is another one now, or there is none
        self._once = False
        if not create and not self.path.exists():
            connection = _connect(":memory:")
            _run(connection, self._schema)
            self._once = True
        else:
            connection = self._opened()
        connection.row_factory = sqlite3.Row
        self._open, self._which = connection, None if self._once else _identity(self.path)
        self._close = weakref.finalize(self, connection.close)
        return connection

    def _opened(self) -> sqlite3.Connection:
        if _identity(self.path) in _STRANDED:
            why = "this process was forked in the middle of a transaction; open it in a process of its own"
            raise HomeError(self.path.parent, f"{self.path.name}: {why}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # a null byte in the path is a ValueError
            raise HomeError(self.path.parent, getattr(error, "strerror", None) or str(error)) from None
        clock = SystemClock()
        for left in reversed(range(_OPEN_TRIES)):
            connection = _connect(self.path)
            try:
                self._prepare(connection)
            except BaseException as error:
                connection.close()
                if left and isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                    clock.sleep(0.05)
                    continue
                if not isinstance(error, sqlite3.OperationalError):
                    raise
                connection = self._what_can_be_read(error)
                self._once = True
            return connection
        raise AssertionError  # the last try returns or raises

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for name, value in {**self._pragmas, "trusted_schema": "OFF"}.items():
            connection.execute(f"PRAGMA {name}={value}")
        self._recognized(connection)
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode=WAL")
        if self._recognized(connection) != self._version:
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._bring_up_to_date(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        found = self._recognized(connection)  # somebody else may have been first
        if found is None:
            _run(connection, self._schema)
            connection.execute(f"PRAGMA application_id={self._application_id}")
        for version in range(self._version if found is None else found, self._version):
            change = self._migrations[version]
            _run(connection, change) if isinstance(change, str) else change(connection)
        connection.execute(f"PRAGMA user_version={self._version}")

    def _what_can_be_read(self, error: sqlite3.OperationalError) -> sqlite3.Connection:
        """A connection that only reads, or the error that stood in the way of a better one."""
        if not self.path.is_file() or "locked" in str(error):
            raise error
        try:
            connection = connect_read_only(self.path, timeout=_BUSY_SECONDS)
        except (OSError, sqlite3.OperationalError):
            raise error from None
        try:
            found = self._recognized(connection)
            if found is None:
                raise error
            if found != self._version:  # an older file is brought up to date in a copy
                with closing(connection) as old:
                    connection = _connect(":memory:")
                    old.backup(connection)
                self._bring_up_to_date(connection)
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _recognized(self, connection: sqlite3.Connection) -> int | None:
        """The version of the schema that is there; None for a new file; an error for one that is not ours to touch."""
        # One statement sees one moment: between several, another process might bring the schema.
        whose, version, tables = connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
            " FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        if whose == self._application_id and version > self._version:
            raise HomeError(
                self.path.parent,
                f"{self.path.name} was written by a newer mlops-lab (schema {version}; this one knows {self._version})",
            )
        known = version == self._version or version in self._migrations
        if whose == self._application_id and (whose or tables) and known:
            return int(version)
        if whose or version or tables:
            raise HomeError(self.path.parent, f"{self.path.name} is a database, but no {self.kind} of mlops-lab")
        return None

    def _in_our_words(self, error: BaseException) -> BaseException:
        """What went wrong, as an error of this package where it is one of SQLite's."""
        if isinstance(error, sqlite3.OperationalError):
            if str(error).startswith(("no such", "Could not decode", "unsupported file format")):
                return self._damaged(error)
            why = "it can be read here, and not be written" if "readonly" in str(error) else error
            return HomeError(self.path.parent, f"{self.path.name}: {why}")
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError, UnicodeEncodeError)):
            if isinstance(error, UnicodeEncodeError) or "binding" in str(error) or "SQLite" in str(error):
                return InvalidData(
                    f"the {self.kind} was asked for something that is no text or number of its kind: {error}."
                )
            return self._damaged(error) if isinstance(error, sqlite3.Error) else error
        if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):  # what SQLite complains of may itself be no text
            return self._damaged(error)
        return error

    def _damaged(self, error: Exception) -> IntegrityError:
        return IntegrityError(
            f"the {self.kind} {self.path.name}", expected=f"the database of a {self.kind}", found=str(error)
        )

    def _leave_behind(self) -> None:
        """In a forked child: forget the parent's connection, which may neither be used nor closed here."""
        self._lock = threading.RLock()
        if self._open is not None:
            self._close.detach()
            _LEFT_BEHIND.append(self._open)
            if self._which is not None:
                _STRANDED.add(self._which)
            self._open = None


class _Block:
    """One transaction; a class, because a generator costs a tenth of a short run of a DAG."""

    __slots__ = ("_begin", "_connection", "_database")
    _connection: sqlite3.Connection

    def __init__(self, database: Database, begin: str) -> None:
        self._database, self._begin = database, begin

    def __enter__(self) -> sqlite3.Connection:
        database = self._database
        database._lock.acquire()
        try:
            connection = database._connection(create=database._create or self._begin != "BEGIN")
            connection.execute(self._begin)
        except BaseException as error:
            database._lock.release()
            worded = database._in_our_words(error)
            if worded is error:
                raise
            raise worded from None
        self._connection = connection
        return connection

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        database, connection = self._database, self._connection
        try:
            if error is None:
                connection.execute("COMMIT")
        except BaseException as late:
            error = late
            worded = database._in_our_words(late)
            if worded is late:
                raise
            raise worded from None
        else:
            if error is not None and (worded := database._in_our_words(error)) is not error:
                raise worded from None
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if database._once:  # it may be a snapshot, and the next one may find a folder it can write to
                database.close()
            database._lock.release()


_DATABASES: weakref.WeakSet[Database] = weakref.WeakSet()
_DATABASES_LOCK = threading.Lock()
_STRANDED: set[tuple[int, int] | None] = set()  # files that this process cannot open safely, see _leave_behind
_LEFT_BEHIND: list[sqlite3.Connection] = []
_forking = threading.local()


def _before_fork() -> None:
    # POSIX locks stay with the parent, while SQLite in the child would believe that it holds them: nothing may be open.
    _DATABASES_LOCK.acquire()
    _forking.held = []
    until = time.monotonic() + _FORK_SECONDS
    for database in list(_DATABASES):
        if database._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            _forking.held.append(database._lock)
            if database._open is not None and not database._open.in_transaction:
                database.close()


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()
    _DATABASES_LOCK.release()


def _after_fork_in_child() -> None:
    global _DATABASES_LOCK  # the parent's threads, which might hold it, are not here
    _DATABASES_LOCK = threading.Lock()
    for database in list(_DATABASES):
        database._leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _connect(place: Path | str, timeout: float = _BUSY_SECONDS) -> sqlite3.Connection:
    uri = str(place).startswith("file:") and isinstance(place, str)
    return sqlite3.connect(place, uri=uri, timeout=timeout, isolation_level=None, check_same_thread=False)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _run(connection: sqlite3.Connection, script: str) -> None:
    # executescript commits behind one's back, so that a crash could leave half a schema.
    gathered = ""
    for part in re.split("(?<=;)", script):
        gathered += part
        if sqlite3.complete_statement(gathered):
            connection.execute(gathered)
            gathered = ""
    if gathered.strip():
        connection.execute(gathered)


def connect_read_only(path: Path, *, timeout: float = _BUSY_SECONDS) -> sqlite3.Connection:
    """A connection that reads the file and cannot change it; for one use, because it may be a snapshot.

    A file with a write-ahead log is read with the help of a second file, which SQLite makes beside it; where it
    cannot, it refuses to read (https://www.sqlite.org/wal.html#read_only_databases). If a writer is at work its help
    serves us too. If not, the file stands still, and is read as such; and a log that a crash has left is read in a
    copy, because what was acknowledged may be only there.

    Raises:
        sqlite3.Error: the file cannot be read either, or is no database; whoever asked says it in their own words.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    connection = _connect(address, timeout)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" in str(error):
            raise
    else:
        return connection
    log = path.with_name(f"{path.name}-wal")
    if not (log.is_file() and log.stat().st_size):
        return _connect(f"{address}&immutable=1", timeout)
    memory = _connect(":memory:")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        with closing(sqlite3.connect(copy)) as recovered:
            recovered.backup(memory)
    memory.execute("PRAGMA query_only = ON")
    return memory


@contextmanager
def lock_file(path: str | Path, *, timeout: float = 0.0) -> Iterator[None]:
    """Hold a lock that other threads and processes respect, and that goes with this process when it dies.

    Raises:
        BlockingIOError: somebody else holds it, after `timeout` seconds; negative waits for ever.
        HomeError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    place = Path(path)
    held = FileLock(place, thread_local=False)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=timeout)
    except Timeout:
        raise BlockingIOError(f"{place.name} is held by somebody else") from None
    except OSError as error:
        raise HomeError(place.parent, f"{place.name}: {error.strerror or error}") from None
    try:
        yield
    finally:
        held.release()


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file whole or not at all; it is on the disk, for good, when this returns.

    Raises:
        OSError: the disk refuses; a file that was there before is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp lets only its maker read, and a home folder is shared
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    if os.name != "nt":  # the new name is part of the folder, which has to reach the disk too
        for folder in (path.parent, path.parent.parent):
            entry = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(entry)
            finally:
                os.close(entry)


def jsonable(value: Any, *, nan: Literal["text", "tagged", "null"] | None = None, _depth: int = 0) -> Any:
    """The value as JSON gives it back: tuples as lists, times as ISO text, dataclasses as objects, NumPy's as Python's.

    Args:
        value: what to write.
        nan: how a figure that is not finite is written: "text" as `"nan"`, "tagged" as `{"float": "nan"}`, "null" as
            null; it is refused when None.

    Raises:
        InvalidData: JSON has no word for it.

    >>> jsonable({"shares": (0.1, float("nan"))}, nan="text")
    {'shares': [0.1, 'nan']}
    """
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if plain is None or isinstance(plain, bool | int):
        return plain
    if isinstance(plain, float) and (math.isfinite(plain) or nan is not None):
        unusual = {"text": repr(plain), "tagged": {"float": repr(plain)}}.get(nan or "")
        return plain if math.isfinite(plain) else unusual
    if isinstance(plain, date):
        return plain.isoformat()
    if isinstance(plain, Path):
        return str(plain)
    if isinstance(plain, str):
        try:
            plain.encode()
        except UnicodeEncodeError:
            raise InvalidData(f"this text is no Unicode: {plain!r}.") from None
        return plain
    if is_dataclass(plain) and not isinstance(plain, type):
        plain = {each.name: getattr(plain, each.name) for each in fields(plain)}
    if _depth < 50 and isinstance(plain, list | tuple):
        return [jsonable(item, nan=nan, _depth=_depth + 1) for item in plain]
    if _depth < 50 and isinstance(plain, Mapping) and all(isinstance(key, str) for key in plain):
        return {jsonable(key): jsonable(item, nan=nan, _depth=_depth + 1) for key, item in plain.items()}
    raise InvalidData(f"JSON has no word for a {type(value).__name__}: {value!r}.")


def check_name(name: object, what: str) -> str:
    """The name itself, if it can name something here and in a path or URL elsewhere.

    Args:
        name: the name.
        what: what it names, with its article: "a model".

    >>> check_name("late-flights", "a model")
    'late-flights'
    """
    if isinstance(name, str) and len(name) <= 100 and _NAME.fullmatch(name) and ".." not in name:
        return name
    shown = repr(name) if len(repr(name)) <= 60 else repr(name)[:60] + "…"
    raise InvalidData(
        f"{shown} cannot name {what}: use 1 to 100 letters, digits, dots, dashes or underscores, a letter or"
        " digit first, no two dots in a row."
    )
