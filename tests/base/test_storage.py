"""Is a damaged, foreign or too new file refused in one clear sentence, and left as it was?"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import sqlite3
import threading

import pytest

from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData
from mlops_lab.base.storage import Database, check_name, jsonable, lock_file, write_atomically

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


@pytest.mark.slow
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


def _forked(work):
    """The exit code of a forked child that does this."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@needs_fork
@pytest.mark.parametrize("after", ["close", "keep"])
def test_parent_and_child_write_in_turn_and_nothing_acknowledged_is_lost(tmp_path, after):
    database = _open(tmp_path / "notes.db")
    _add(database, "before")
    go, done = os.pipe(), os.pipe()

    child = os.fork()
    if child == 0:
        for number in range(20):
            os.read(go[0], 1)
            _add(database, f"child {number}")
            os.write(done[1], b"1")
        os._exit(0)
    if after == "close":
        database.close()
    for number in range(20):
        os.write(go[1], b".")
        os.read(done[0], 1)
        _add(database, f"parent {number}")
    os.waitpid(child, 0)

    assert len(_texts(_open(tmp_path / "notes.db"))) == 41
    database.close()


def _write_in_a_pool(path, number):
    database = _open(path)
    for each in range(10):
        _add(database, f"{number}.{each}")
    return 10


@pytest.mark.slow
@needs_fork
def test_a_pool_of_forked_workers_loses_nothing(tmp_path):
    database = _open(tmp_path / "notes.db")
    _add(database, "before")

    with multiprocessing.get_context("fork").Pool(4) as pool:
        acknowledged = sum(pool.starmap(_write_in_a_pool, [(tmp_path / "notes.db", each) for each in range(8)]))
        del database
        gc.collect()

    assert len(_texts(_open(tmp_path / "notes.db"))) == acknowledged + 1


@needs_fork
def test_a_child_forked_in_a_transaction_is_refused_and_the_parents_change_stands(tmp_path):
    database = _open(tmp_path / "notes.db")

    def add_as_a_stranger():
        with pytest.raises(HomeError, match="forked in the middle of a transaction"):
            _add(_open(tmp_path / "notes.db"), "child")

    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES ('parent')")
        code = _forked(add_as_a_stranger)

    assert code == 0
    assert _texts(database) == ["parent"]
    database.close()


@needs_fork
def test_a_fork_waits_for_the_transaction_of_another_thread(tmp_path):
    database = _open(tmp_path / "notes.db")
    inside, go_on = threading.Event(), threading.Event()

    def write_slowly():
        with database.transaction() as connection:
            connection.execute("INSERT INTO notes VALUES ('thread')")
            inside.set()
            go_on.wait(0.3)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    inside.wait()
    code = _forked(lambda: _add(database, "child"))
    thread.join()

    assert code == 0
    assert sorted(_texts(database)) == ["child", "thread"]
    database.close()


def test_a_file_that_is_not_created_reads_as_empty_and_looking_makes_nothing(tmp_path):
    database = Database(tmp_path / "home" / "notes.db", kind="notebook", schema=SCHEMA, create=False)

    assert _texts(database) == []
    assert list(tmp_path.iterdir()) == []

    _add(database, "first")

    assert _texts(database) == ["first"]
    database.close()


def test_a_replaced_home_is_read_anew(tmp_path):
    database, other = _open(tmp_path / "home" / "notes.db"), _open(tmp_path / "other" / "notes.db")
    _add(database, "old")
    _add(other, "new")
    other.close()

    (tmp_path / "home").rename(tmp_path / "away")
    (tmp_path / "other").rename(tmp_path / "home")

    assert _texts(database) == ["new"]
    database.close()


MIGRATIONS = {1: "ALTER TABLE notes ADD COLUMN day TEXT NOT NULL DEFAULT 'monday';"}


def _newer(path):
    return Database(path, kind="notebook", application_id=77, version=2, schema=SCHEMA, migrations=MIGRATIONS)


def _days(database):
    with database.reading() as connection:
        return [row["day"] for row in connection.execute("SELECT day FROM notes")]


def test_an_older_file_is_brought_up_to_date_and_keeps_its_rows(tmp_path):
    _add(_open(tmp_path / "notes.db"), "old")
    gc.collect()

    assert _days(_newer(tmp_path / "notes.db")) == ["monday"]
    with pytest.raises(HomeError, match="newer mlops-lab"):
        _open(tmp_path / "notes.db", version=1)


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path):
    _add(_open(tmp_path / "notes.db"), "old")
    gc.collect()
    broken = {1: "ALTER TABLE notes ADD COLUMN day TEXT; ALTER TABLE elsewhere ADD COLUMN day TEXT;"}

    with pytest.raises(IntegrityError, match="no such table"):
        Database(tmp_path / "notes.db", kind="notebook", application_id=77, version=2, schema=SCHEMA, migrations=broken)

    assert _texts(_open(tmp_path / "notes.db")) == ["old"]


def test_a_lock_is_held_by_one_and_let_go(tmp_path):
    with lock_file(tmp_path / "run.lock"), pytest.raises(BlockingIOError), lock_file(tmp_path / "run.lock"):
        pass

    with lock_file(tmp_path / "run.lock"):
        pass


@needs_fork
def test_a_lock_stays_with_the_parent_and_goes_with_it(tmp_path):
    def look():
        with pytest.raises(BlockingIOError), lock_file(tmp_path / "run.lock"):
            pass

    with lock_file(tmp_path / "run.lock"):
        held_for_a_child = _forked(look)

    assert held_for_a_child == 0
    assert _forked(lambda: lock_file(tmp_path / "run.lock").__enter__()) == 0
    with lock_file(tmp_path / "run.lock"):
        pass


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a.json", "old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space left")))

    with pytest.raises(OSError, match="no space"):
        write_atomically(tmp_path / "a.json", b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"


@pytest.mark.parametrize(
    ("nan", "written"),
    [("text", "-inf"), ("tagged", {"float": "-inf"}), ("null", None)],
    ids=["text", "tagged", "null"],
)
def test_a_figure_that_is_not_finite_is_written_as_asked(nan, written):
    assert jsonable({"auc": (-math.inf, 1)}, nan=nan) == {"auc": [written, 1]}


@pytest.mark.parametrize("value", [math.nan, {1: 2}, {1, 2}, object(), "\ud800", {"\ud800": 1}])
def test_what_json_has_no_word_for_is_refused(value):
    with pytest.raises(InvalidData):
        jsonable(value)


@pytest.mark.parametrize("name", ["", "a" * 101, "../up", "a..b", "a b", "-a", "a\n", "ä", None, 3])
def test_a_name_that_could_leave_the_home_is_refused(name):
    with pytest.raises(InvalidData, match="cannot name a model"):
        check_name(name, "a model")
