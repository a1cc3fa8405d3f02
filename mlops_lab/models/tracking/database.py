"""How is a SQLite file of the home folder opened so that a crash, a crowd or a stranger's file does no harm?

Write-ahead log, full synchronisation, one writer at a time (`BEGIN IMMEDIATE`), and every SQLite complaint turned
into one sentence of ours.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData
from mlops_lab.base.read_only import connect_read_only

__all__ = ["Database"]

_BUSY_SECONDS = 30.0  # how long a writer waits for its turn
_OPEN_TRIES = 600  # SQLite does not wait while a new file changes to WAL, so opening tries again, 0.05 s apart
_INHERITED: list[sqlite3.Connection] = []  # see _let_go


class Database:
    """One SQLite file with a known kind and schema version, shared by threads and processes.

    `application_id` and `user_version` (fields of the file's header, https://www.sqlite.org/pragma.html) say whose
    file it is, so that somebody else's database is refused instead of filled with our tables.

    >>> import tempfile
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

    Raises:
        HomeError: the folder or file cannot be read or written, belongs to something else, or is too new.
        IntegrityError: the file's bytes are damaged.
    """

    def __init__(self, path: str | Path, *, kind: str, application_id: int, version: int, schema: str) -> None:
        self.path = Path(path)
        self.kind = kind
        self._application_id = application_id
        self._version = version
        self._schema = schema
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self._owner = 0
        self._reads_only = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # a null byte in the path is a ValueError
            raise HomeError(self.path.parent, getattr(error, "strerror", None) or str(error)) from None
        with self._lock, self._in_our_words():
            self._connection()

    def __repr__(self) -> str:
        return f"Database({self.path.name!r}, kind={self.kind!r})"

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._open is not None and self._owner == os.getpid():
                self._open.close()
            self._open = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block's changes, on disk when it ends, or none of them; one writer at a time."""
        with self._begun("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One unchanging view of the file, whatever others write meanwhile."""
        with self._begun("BEGIN") as connection:
            yield connection

    @contextmanager
    def _begun(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._in_our_words():
            connection = self._connection()
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if self._reads_only:  # it may be a snapshot, and the next one may find a folder it can write to
                    self.close()

    def _connection(self) -> sqlite3.Connection:
        if self._open is not None and self._owner == os.getpid():
            return self._open
        clock = SystemClock()
        for left in reversed(range(_OPEN_TRIES)):
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
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
                self._reads_only = True
            else:
                self._reads_only = False
            self._open, self._owner = connection, os.getpid()
            weakref.finalize(self, _let_go, connection, self._owner)
            break
        assert self._open is not None  # noqa: S101  (the last try either opened or raised)
        return self._open

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        self._recognise(connection)
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode=WAL")
        if self._recognise(connection):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not self._recognise(connection):  # somebody else may have been first
                for statement in _statements(self._schema):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={self._application_id}")
                connection.execute(f"PRAGMA user_version={self._version}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _what_can_be_read(self, error: sqlite3.OperationalError) -> sqlite3.Connection:
        """A connection that only reads, or the error that stood in the way of a better one."""
        if not self.path.is_file() or "locked" in str(error):
            raise error
        try:
            connection = connect_read_only(self.path, timeout=_BUSY_SECONDS)
        except (OSError, sqlite3.OperationalError):
            raise error from None
        connection.row_factory = sqlite3.Row
        try:
            known = self._recognise(connection)
        except BaseException:
            connection.close()
            raise
        if not known:
            connection.close()
            raise error
        return connection

    def _recognise(self, connection: sqlite3.Connection) -> bool:
        """Is the schema there? False for a new file; an error for a file that is not ours to touch."""
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
        if whose == self._application_id and version == self._version:
            return True
        if whose or version or tables:
            raise HomeError(self.path.parent, f"{self.path.name} is a database, but no {self.kind} of mlops-lab")
        return False

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if str(error).startswith(("no such", "Could not decode", "unsupported file format")):
                raise self._damaged(error) from None
            why = "it can be read here, and not be written" if "readonly" in str(error) else error
            raise HomeError(self.path.parent, f"{self.path.name}: {why}") from None
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError, UnicodeEncodeError) as error:
            if isinstance(error, UnicodeEncodeError) or "binding" in str(error) or "SQLite" in str(error):
                what = f"the {self.kind} was asked for something that is no text or number of its kind: {error}."
                raise InvalidData(what) from None
            raise (self._damaged(error) if isinstance(error, sqlite3.Error) else error) from None
        except (sqlite3.Error, UnicodeDecodeError) as error:  # what SQLite complains of may itself be no text
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> IntegrityError:
        return IntegrityError(
            f"the {self.kind} {self.path.name}", expected=f"the database of a {self.kind}", found=str(error)
        )


def _let_go(connection: sqlite3.Connection, owner: int) -> None:
    # A connection that came over a fork must neither be used nor closed: its locks are the parent's.
    if owner == os.getpid():
        connection.close()
    else:
        _INHERITED.append(connection)


def _statements(script: str) -> Iterator[str]:
    # executescript commits behind one's back, so that a crash could leave half a schema.
    gathered = ""
    for line in script.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""
    if gathered.strip():
        yield gathered
