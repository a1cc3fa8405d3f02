"""Can the history be believed: is every kind of tampering noticed, and named?"""

# ruff: noqa: E501, S608 (a line is a fault; the tests write SQL of their own into a file of their own)

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import HomeError, IntegrityError, MlopsLabError, NotAllowed
from mlops_lab.models.registry import Registry, verify_home

GUARDS = ("events_stay", "events_are_kept", "events_follow")


@pytest.fixture
def busy(lab):
    """A lab with some of everything in its history, closed."""
    lab.promoted(), lab.promoted()
    lab.registry.set_policy("early", requires_approval=True)
    lab.registry.set_alias("late", "challenger", 1)
    lab.registry.set_tag("late", 1, "team", "delays")
    lab.registry.record_event("late", 2, action="canary", actor="bot", why="10 percent", details={"shares": (0.1, 0.9)})
    lab.registry.rollback("late", actor="grace", why="late on Mondays")
    lab.count = lab.registry.verify()
    lab.close()
    return lab


def _tamper(lab, *statements, guards=False):
    with closing(sqlite3.connect(lab.registry.home / "registry.db", isolation_level=None)) as connection:
        for guard in () if guards else GUARDS:
            connection.execute(f"DROP TRIGGER {guard}")
        for statement in statements:
            connection.execute(statement)


def _rewrite(lab, change):
    """Change an event and compute every later hash again, as somebody who knows the scheme would."""
    with closing(sqlite3.connect(lab.registry.home / "registry.db", isolation_level=None)) as connection:
        triggers = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        connection.row_factory = sqlite3.Row
        for guard in GUARDS:
            connection.execute(f"DROP TRIGGER {guard}")
        end = "sha256:" + "0" * 64
        for row in connection.execute("SELECT * FROM events ORDER BY seq").fetchall():
            event = {**dict(row), "details": json.loads(row["details"]), "prev_hash": end}
            event = change(event)
            del event["hash"]
            text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            end = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
            connection.execute(
                "UPDATE events SET actor = ?, details = ?, prev_hash = ?, hash = ? WHERE seq = ?",
                (event["actor"], json.dumps(event["details"]), event["prev_hash"], end, event["seq"]),
            )
        connection.execute("UPDATE head SET hash = ?", (end,))
        for trigger in triggers:
            connection.execute(trigger)


def test_an_event_that_was_given_a_fitting_hash_of_its_own_breaks_the_next_link(busy):
    event = busy.registry.history()[3]
    changed = type(event)(**{**vars(event), "actor": "mallory"}).to_dict()
    text = json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    own = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    busy.close()
    _tamper(busy, f"UPDATE events SET actor = 'mallory', hash = '{own}' WHERE seq = 4")

    with pytest.raises(IntegrityError, match=r"event 5 of the history .* a link to"):
        busy.registry.verify()


def test_an_honest_history_verifies_and_counts(busy):
    assert busy.registry.verify() == busy.count == len(busy.registry.history())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "'mallory'"),
        ("at", "'2015-01-01T00:00:00+00:00'"),
        ("action", "'canary'"),
        ("name", "'early'"),
        ("version", "7"),
        ("version", "NULL"),
        ("source", "'Archived'"),
        ("target", "'Production'"),
        ("why", "'because'"),
        ("details", "'{\"x\": 1}'"),
        ("details", "'not json'"),
        ("prev_hash", "'sha256:0'"),
        ("hash", "'sha256:0'"),
        ("at", "'someday'"),
    ],
    ids=lambda value: value[:12],
)
@pytest.mark.parametrize("seq", [3, 6])
def test_a_changed_event_is_named(busy, seq, column, value):
    _tamper(busy, f"UPDATE events SET {column} = {value} WHERE seq = {seq}")

    with pytest.raises(IntegrityError, match=rf"event {seq} of the history") as changed:
        busy.registry.verify()
    assert re.fullmatch("a readable event|(a link to )?sha256:[0-9a-f]+|an event that fits.*", changed.value.expected)


@pytest.mark.parametrize("seq", [1, 4])
def test_a_deleted_event_is_named(busy, seq):
    _tamper(busy, f"DELETE FROM events WHERE seq = {seq}")

    with pytest.raises(IntegrityError, match=rf"event {seq} of the history"):
        busy.registry.verify()


def test_a_missing_end_is_noticed(busy):
    _tamper(busy, f"DELETE FROM events WHERE seq > {busy.count - 2}")

    with pytest.raises(IntegrityError, match="the end of the history"):
        busy.registry.verify()


def test_nothing_is_built_on_a_missing_end(busy):
    _tamper(busy, f"DELETE FROM events WHERE seq = {busy.count}")

    with pytest.raises(IntegrityError, match="the end of the history"):
        busy.registry.set_tag("late", 1, "team", "other")


def test_an_emptied_history_is_noticed(busy):
    _tamper(busy, "DELETE FROM events")

    with pytest.raises(IntegrityError, match="the end of the history"):
        busy.registry.verify()


def test_an_added_event_is_noticed(busy):
    _tamper(
        busy,
        f"INSERT INTO events SELECT seq + {busy.count}, at, actor, action, name, version, source, target, why, details,"
        " prev_hash, hash FROM events WHERE seq = 1",
    )

    with pytest.raises(IntegrityError, match=f"event {busy.count + 1} of the history"):
        busy.registry.verify()


def test_swapped_events_are_noticed(busy):
    _tamper(
        busy,
        "UPDATE events SET seq = 1000 WHERE seq = 2",
        "UPDATE events SET seq = 2 WHERE seq = 3",
        "UPDATE events SET seq = 3 WHERE seq = 1000",
    )

    with pytest.raises(IntegrityError, match="event 2 of the history"):
        busy.registry.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE versions SET stage = 'Archived' WHERE stage = 'Production'",
        "UPDATE versions SET artefact = 'sha256:' || version",
        "UPDATE versions SET author = 'mallory'",
        "UPDATE versions SET report_passed = 0 WHERE version = 1",
        "UPDATE models SET requires_approval = 0",
        "UPDATE aliases SET version = 2 WHERE alias = 'champion'",
        "DELETE FROM aliases WHERE alias = 'challenger'",
        "INSERT INTO aliases VALUES ('late', 'shadow', 2)",
        "UPDATE tags SET value = 'other'",
        "DELETE FROM reigns",
        "INSERT INTO models (name) VALUES ('ghost')",
    ],
)
def test_a_table_that_says_anything_else_than_the_history_is_noticed(busy, statement):
    _tamper(busy, statement, guards=True)

    with pytest.raises(IntegrityError, match="the table"):
        busy.registry.verify()


@pytest.mark.parametrize(
    ("statement", "expected", "found"),
    [
        ("DELETE FROM tags", "('late', 1, 'team', 'delays')", "no such row"),
        ("INSERT INTO tags VALUES ('late', 1, 'extra', 'x')", "no such row", "('late', 1, 'extra', 'x')"),
        ("UPDATE tags SET value = 'x'", "('late', 1, 'team', 'delays')", "('late', 1, 'team', 'x')"),
        (
            "INSERT INTO tags VALUES ('late', 'x', 'a', ''), ('late', 9, 'a', '')",
            "no such row",
            "('late', 'x', 'a', '')",
        ),
    ],
)
def test_a_table_that_differs_is_told_with_both_of_its_rows(busy, statement, expected, found):
    _tamper(busy, statement, guards=True)

    with pytest.raises(IntegrityError, match=r"the table tags for 'late' \(last told by event \d+\)") as told:
        busy.registry.verify()
    assert (told.value.expected, told.value.found) == (expected, found)


def test_the_file_itself_refuses_to_change_the_history_or_to_have_two_champions(busy):
    statements = [
        "UPDATE events SET actor = 'mallory'",
        "DELETE FROM events",
        "INSERT INTO events SELECT 100, at, actor, action, name, NULL, NULL, NULL, why, details, '', '' FROM events",
        "UPDATE versions SET stage = 'Production'",
        "UPDATE versions SET stage = 'Best'",
    ]

    for statement in statements:
        with pytest.raises(sqlite3.IntegrityError):
            _tamper(busy, statement, guards=True)

    assert busy.registry.verify() == busy.count


def test_a_history_written_anew_in_full_is_noticed_only_with_a_head_noted_elsewhere(busy):
    noted = busy.registry.head()
    busy.close()
    _rewrite(busy, lambda event: {**event, "actor": "mallory" if event["action"] == "canary" else event["actor"]})

    assert busy.registry.verify() == busy.count  # nothing inside the file can show it
    with pytest.raises(IntegrityError, match="a history without it"):
        busy.registry.verify(head=noted)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE models SET requires_approval = 0",
        "UPDATE approvals SET state = 'approved', decided_by = 'grace', decided_at = requested_at",
        "UPDATE versions SET author = 'somebody'",
    ],
)
def test_a_table_that_was_edited_lets_nothing_into_production(lab, statement):
    lab.promoted()
    first, version = lab.promoted(), lab.version()
    lab.registry.set_policy("late", requires_approval=True, actor="grace")
    report = lab.report(version)
    lab.registry.record_gate_report(report)
    lab.registry.request_approval("late", 3, requested_by="bot", why="please")
    lab.close()
    _tamper(lab, statement, guards=True)

    with pytest.raises(IntegrityError, match=r"the table \w+ for 'late'"):
        lab.registry.promote(report, actor="bot", why="edited")
    with pytest.raises(IntegrityError, match=r"the table \w+ for 'late'"):
        lab.registry.rollback("late", actor="bot", why="edited")
    assert lab.registry.get_production("late").version == first.version


def test_an_illegal_move_is_noticed_even_where_every_hash_was_computed_again(busy):
    def unevaluated(event):
        if event["action"] == "record_gate_report":
            event["details"]["report"]["passed"] = False
        return event

    _rewrite(busy, unevaluated)

    with pytest.raises(IntegrityError, match=r"event 4 of the history .* a legal move"):
        busy.registry.verify()


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["DROP TRIGGER events_stay"], "trigger events_stay"),
        (["CREATE TRIGGER helper AFTER INSERT ON events BEGIN DELETE FROM tags; END"], "trigger helper"),
        (["ALTER TABLE aliases RENAME TO kept", "CREATE VIEW aliases AS SELECT * FROM kept"], "view aliases"),
        (["CREATE TABLE notes (text TEXT)"], "table notes"),
        (
            [
                "DROP TRIGGER events_are_kept",
                "CREATE TRIGGER events_are_kept BEFORE DELETE ON events BEGIN SELECT 1; END",
            ],
            "trigger events_are_kept",
        ),
    ],
    ids=["a guard gone", "a trigger more", "a view for a table", "a table more", "a guard that lets pass"],
)
def test_what_answers_or_writes_by_itself_in_the_file_is_noticed(busy, statements, told):
    _tamper(busy, *statements, guards=True)

    with pytest.raises(IntegrityError, match=told):
        busy.registry.verify()


def test_an_older_copy_is_noticed_only_with_a_head_noted_elsewhere(busy, tmp_path):
    shutil.copy(busy.registry.home / "registry.db", tmp_path / "older.db")
    busy.registry.set_tag("late", 1, "team", "other")
    noted = busy.registry.head()
    busy.close()
    shutil.copy(tmp_path / "older.db", busy.registry.home / "registry.db")

    assert busy.registry.verify() == busy.count
    with pytest.raises(IntegrityError):
        busy.registry.verify(head=noted)


def test_a_head_noted_earlier_is_still_part_of_a_longer_history(busy):
    noted = busy.registry.head()
    busy.registry.set_tag("late", 1, "team", "other")

    assert busy.registry.verify(head=noted) == busy.count + 1


def test_events_link_to_each_other_and_say_who_when_why_and_where(busy):
    events = busy.registry.history("late", 2)

    assert [event.action for event in events[-2:]] == ["canary", "transition_stage"]
    last = events[-1]
    assert (last.actor, last.source, last.target, last.why) == ("grace", "Production", "Archived", "late on Mondays")
    every = busy.registry.history()
    assert [event.prev_hash for event in every[1:]] == [event.hash for event in every[:-1]]
    assert [event.seq for event in every] == list(range(1, busy.count + 1))
    assert all(str(event).count("\n") == 0 for event in every)


def test_the_history_of_a_model_or_a_version_tells_of_no_other(lab):
    for name in ("late", "early", "late"):
        lab.version(name)

    told = [[(each.name, each.version) for each in lab.registry.history(*of)] for of in ((), ("late",), ("late", 2))]

    assert told == [[("late", 1), ("early", 1), ("late", 2)], [("late", 1), ("late", 2)], [("late", 2)]]


def test_a_reason_of_several_lines_is_one_line_of_history(lab):
    lab.version()

    lab.registry.transition_stage("late", 1, "Staging", actor="ada", why="one\ntwo\tthree")

    assert str(lab.registry.history()[-1]).endswith("by ada: one two three")


def test_details_come_back_as_json_gives_them(busy):
    event = next(each for each in busy.registry.history() if each.action == "canary")

    assert event.details == {"shares": [0.1, 0.9]}


def test_a_clock_that_is_set_back_does_not_turn_the_history_round(lab):
    lab.version()
    earlier = Registry(lab.home, clock=FakeClock(lab.clock.now() - timedelta(days=1)))

    earlier.set_tag("late", 1, "team", "delays")

    times = [event.at for event in earlier.history()]
    assert times == sorted(times)
    assert earlier.verify() == 2
    earlier.close()


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.9], ids=str)
def test_a_damaged_file_is_one_clear_error(busy, at):
    path = busy.registry.home / "registry.db"
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + 6000] = b"\xa5" * len(data[start : start + 6000])
    path.write_bytes(data)

    with pytest.raises((IntegrityError, HomeError)):
        Registry(busy.home).verify()


def test_a_truncated_file_is_one_clear_error(busy):
    path = busy.registry.home / "registry.db"
    path.write_bytes(path.read_bytes()[:9000])

    with pytest.raises(MlopsLabError):
        Registry(busy.home).verify()


def test_the_run_log_is_no_registry(busy):
    shutil.copy(busy.home / "tracking.db", busy.home / "registry.db")

    with pytest.raises(HomeError, match="no registry"):
        Registry(busy.home)


def _by(who):
    """Another person has approved, in the history and in its table."""

    def change(lab):
        _rewrite(lab, lambda event: {**event, "actor": who} if event["action"] == "approve" else event)
        _tamper_and_guard(lab, f"UPDATE approvals SET decided_by = '{who}'")

    return change


def _tamper_and_guard(lab, *statements):
    with closing(sqlite3.connect(lab.registry.home / "registry.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _detail(action, change, *statements):
    def rewrite(event):
        if event["action"] == action:
            change(event["details"])
        return event

    return lambda lab: (_rewrite(lab, rewrite), _tamper_and_guard(lab, *statements))


def _without(find):
    def change(lab):
        fingerprint = find(lab).removeprefix("sha256:")
        (lab.registry.home / "artifacts" / fingerprint[:2] / fingerprint[2:]).unlink()

    return change


def _no_runs(lab):
    with closing(sqlite3.connect(lab.registry.home / "tracking.db")) as connection, connection:
        connection.execute("DROP TRIGGER runs_are_kept")
        connection.execute("DELETE FROM runs")


OTHER = "sha256:" + "f" * 64
EVERYTHING = [
    (_by("ada"), "event 4 of the history is damaged or was changed: expected an approval by somebody else, found 'ada'. Nothing was loaded."),
    (_by("bot"), "event 4 of the history is damaged or was changed: expected an approval by somebody else, found 'bot'. Nothing was loaded."),
    (_by("unknown"), "event 4 of the history is damaged or was changed: expected an approval by somebody else, found 'unknown'. Nothing was loaded."),
    (_detail("record_gate_report", lambda told: told["report"]["metrics"].update({"served.roc_auc": 0.9})), "event 2 of the history is damaged or was changed: expected a report of the version's own figures, found a gate report whose figures are not the ones that its measurement was made of. Nothing was loaded."),
    (_detail("record_gate_report", lambda told: told["report"].update(holdout=OTHER)), "event 2 of the history is damaged or was changed: expected a report of the version's own figures, found a gate report whose figures are not the ones that its measurement was made of. Nothing was loaded."),
    (_detail("record_gate_report", lambda told: told.update(fingerprint=OTHER), f"UPDATE versions SET report = '{OTHER}'"), "event 2 of the history is damaged or was changed: expected #, found #. Nothing was loaded."),
    (_detail("register_model", lambda told: told.update(artefact=OTHER), f"UPDATE versions SET artefact = '{OTHER}'"), "the run of late v1 is damaged or was changed: expected #, found #. Nothing was loaded."),
    (_without(lambda lab: lab.registry.get_model_version("late", 1).artifact), "the artifact of late v1 is damaged or was changed: expected #, found nothing. Nothing was loaded."),
    (_without(lambda lab: lab.rows), "the training set of late v1 is damaged or was changed: expected #, found nothing. Nothing was loaded."),
    (_no_runs, "the run of late v1 is damaged or was changed: expected run #, found no such run. Nothing was loaded."),
    (lambda lab: OTHER, "the history is damaged or was changed: expected an event #, found a history without it. Nothing was loaded."),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "told"), EVERYTHING)
def test_everything_that_a_home_keeps_of_its_models_is_held_against_the_rest(lab, damage, told):
    lab.rows = lab.tracker.artifacts.put_bytes(b"rows")
    run = lab.run()
    run = lab.tracker.log_run(
        "train", metrics=run.metrics, artifact=run.artifact, author="ada", inputs={"training_rows": lab.rows}
    )
    version = lab.registry.register_model(run, "late")
    report = lab.report(version)
    assert str(verify_home(lab.registry, lab.tracker)).startswith("1 event, 0 reports, 0 approvals, 1 artifact")
    lab.registry.record_gate_report(report)
    lab.registry.request_approval("late", 1, requested_by="bot", why="please")
    lab.registry.approve("late", 1, by="grace")
    assert str(verify_home(lab.registry, lab.tracker)).startswith(
        "4 events, 1 report, 1 approval, 1 artifact, 1 run, 1"
    )
    lab.close()

    head = damage(lab)

    with pytest.raises(IntegrityError) as found:
        verify_home(lab.registry, lab.tracker, head=head if isinstance(head, str) else None)
    assert re.sub(r"(sha256:)?[0-9a-f]{32,64}", "#", str(found.value)) == told
    if "an approval by" in told:
        told = rf"^the approval of late v1 is by {found.value.found}, and not by somebody else\.$"
        with pytest.raises(NotAllowed, match=told) as refused:
            lab.registry.promote(report, actor="eve", why="an old home", approval=lab.registry.get_approval("late", 1))
        assert refused.value.waiting
