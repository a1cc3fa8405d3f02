"""Is a damaged, foreign or too new file refused in one clear sentence, and left as it was?"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sqlite3
import threading

import pytest

from mlops_lab.base.errors import HomeError, IntegrityError
from mlops_lab.models.tracking import Database

SCHEMA = "CREATE TABLE notes (text TEXT);\nCREATE TABLE more (n INTEGER);\n"


def _open(path, version=1):
    return Database(path, kind="notebook", application_id=77, version=version, schema=SCHEMA)


def _add(database, text):
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))


def _add_and_fail(database):
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES ('lost')")
        raise sqlite3.ProgrammingError("syntax")


def _texts(database):
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY rowid")]


def test_a_failed_block_leaves_nothing(tmp_path):
    database = _open(tmp_path / "notes.db")

    with pytest.raises(IntegrityError, match="syntax"):
        _add_and_fail(database)

    assert _texts(database) == []
    database.close()


def test_the_settings_are_the_durable_ones(tmp_path):
    database = _open(tmp_path / "notes.db")

    with database.reading() as connection:
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    database.close()

    assert found == ["wal", 2]


def test_a_file_that_is_no_database_is_an_integrity_error_and_stays(tmp_path):
    path = tmp_path / "notes.db"
    path.write_bytes(b"these are my notes, keep them " * 100)

    with pytest.raises(IntegrityError, match=r"notes\.db"):
        _open(path)

    assert path.read_bytes() == b"these are my notes, keep them " * 100


def test_a_damaged_database_is_an_integrity_error(tmp_path):
    path = tmp_path / "notes.db"
    database = _open(path)
    for number in range(2000):
        if number % 500 == 0:
            _add(database, "x" * 3000)
    database.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)

    with pytest.raises(IntegrityError):
        _texts(_open(path))
    gc.collect()


def test_somebody_elses_database_is_refused_and_stays(tmp_path):
    path = tmp_path / "notes.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (text TEXT)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(HomeError, match="no notebook"):
        _open(path)

    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path):
    _open(tmp_path / "notes.db", version=2).close()

    with pytest.raises(HomeError, match="newer mlops-lab"):
        _open(tmp_path / "notes.db", version=1)


def test_lost_tables_are_an_integrity_error(tmp_path):
    _open(tmp_path / "notes.db").close()
    with sqlite3.connect(tmp_path / "notes.db") as connection:
        connection.execute("DROP TABLE notes")
    connection.close()
    database = _open(tmp_path / "notes.db")

    with pytest.raises(IntegrityError, match="no such table"):
        _texts(database)
    database.close()


def test_a_folder_in_the_place_of_the_file_is_a_home_error(tmp_path):
    (tmp_path / "notes.db").mkdir()

    with pytest.raises(HomeError):
        _open(tmp_path / "notes.db")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_home_is_a_home_error(tmp_path):
    tmp_path.chmod(0o500)

    with pytest.raises(HomeError):
        _open(tmp_path / "notes.db")


def test_a_busy_file_is_a_home_error_once_patience_ends(tmp_path):
    database = _open(tmp_path / "notes.db")
    with database.reading() as connection:
        pass
    connection.execute("PRAGMA busy_timeout=1")
    other = sqlite3.connect(tmp_path / "notes.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(HomeError, match="locked"):
        _add(database, "late")

    other.close()
    database.close()


def test_a_closed_database_opens_again(tmp_path):
    database = _open(tmp_path / "notes.db")
    database.close()

    _add(database, "again")

    assert _texts(database) == ["again"]
    database.close()


def test_forgetting_a_database_closes_it_without_a_warning(tmp_path):
    _add(_open(tmp_path / "notes.db"), "kept")

    gc.collect()

    database = _open(tmp_path / "notes.db")
    assert _texts(database) == ["kept"]
    database.close()


def test_threads_wait_for_each_other(tmp_path):
    database = _open(tmp_path / "notes.db")
    threads = [threading.Thread(target=lambda n=n: _add(database, str(n))) for n in range(16)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(_texts(database), key=int) == [str(n) for n in range(16)]
    database.close()


def _open_and_add(path, number, start):
    start.wait()
    database = _open(path)
    _add(database, str(number))
    database.close()


def test_processes_that_make_the_file_at_the_same_time_all_succeed(tmp_path):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(6)
    workers = [context.Process(target=_open_and_add, args=(tmp_path / "notes.db", n, start)) for n in range(6)]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [worker.exitcode for worker in workers] == [0] * 6
    database = _open(tmp_path / "notes.db")
    assert len(_texts(database)) == 6
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_opens_a_connection_of_its_own(tmp_path):
    database = _open(tmp_path / "notes.db")
    _add(database, "parent")

    child = os.fork()
    if child == 0:
        try:
            _add(database, "child")
        finally:
            os._exit(0 if _texts(database) == ["parent", "child"] else 1)
    status = os.waitpid(child, 0)[1]
    _add(database, "parent again")

    assert status == 0
    assert _texts(database) == ["parent", "child", "parent again"]
    database.close()
