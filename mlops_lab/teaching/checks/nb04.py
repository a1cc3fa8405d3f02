"""The exercises of notebook 04: the way out of the archive, and who was in Production at a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from mlops_lab.base.clock import parse_utc
from mlops_lab.models.registry import MOVES, STAGES, Event
from mlops_lab.teaching.checks.exercise import asked, expect, is_number, listed, read_exercises


def _way_back(moves: Any) -> None:
    moves = listed(moves, "give a list of stages, first to last.")
    moves = [stage.strip().capitalize() if isinstance(stage, str) else stage for stage in moves]
    unknown = [repr(stage) for stage in moves if stage not in STAGES]
    expect(not unknown, f"there is no stage {', '.join(unknown)}; the stages are {', '.join(STAGES)}.")
    expect(moves and moves[-1] == "Production", "the last stage of the list is Production: there it shall arrive.")
    expect(moves[0] != "Archived", "it is in Archived already; write only where it goes.")
    here = "Archived"
    for stage in moves:
        allowed = ", ".join(MOVES[here])
        expect(stage in MOVES[here], f"from {here} it cannot go to {stage}; from {here} it can go to {allowed}.")
        here = stage
    expect(len(moves) == 2, "every move is legal, but it goes round in a circle; leave the detour out.")


def _first_of_october(version: Any) -> None:
    expect(version is not None, "your answer is None, as if nobody were in Production: look what was promoted by then.")
    expect(is_number(version), "give the number of a version: 1, 2 or 3.")
    expect(version != 2, "version 2 had passed its gate, but until 2 October nobody had agreed: it was waiting.")
    expect(version != 3, "version 3 did not exist yet, and it never came through the gate.")
    expect(version == 1, "there is no such version; read the lines from 15 August to 2 October again.")


_START = parse_utc("2013-08-01")


def _day(number: float) -> datetime:
    return _START + timedelta(days=number)


def _events(*rows: tuple[float, int, str | None, str | None]) -> list[Event]:
    events = []
    for seq, (day, version, source, target) in enumerate(rows, start=1):
        action = "transition_stage" if target in STAGES else "register_model"
        events.append(Event(seq, _day(day), "ada", action, "late", version, source, target, "a reason"))
    return events


_HISTORY = _events(
    (1, 1, None, None),
    (1, 1, None, "passed"),
    (2, 1, "None", "Staging"),
    (3, 1, "Staging", "Production"),
    (3.5, 1, "passed", "approved"),
    (4, 2, None, None),
    (5, 2, "None", "Staging"),
    (7, 1, "Production", "Archived"),
    (7, 2, "Staging", "Production"),
    (8, 3, None, None),
    (9, 3, "None", "Archived"),
    (11, 2, "Production", "Archived"),
    (13, 1, "Archived", "Production"),
)


def _oracle(events: Sequence[Event], at: datetime) -> int | None:
    """The slow, obvious way: the stage of every version, then who is in Production."""
    stages = {event.version: event.target for event in events if event.at <= at and event.target in STAGES}
    return next((version for version, stage in stages.items() if stage == "Production"), None)


def _retell(in_production: Callable[..., Any]) -> None:

    def given(day: float, events: Sequence[Event] = _HISTORY) -> Any:
        version = asked(in_production, list(events), _day(day))
        said = f"return the number of the version, or None; not a {type(version).__name__}."
        expect(version is None or is_number(version), said)
        return version

    fourth = given(4)
    said = "on day 4 version 1 is in Production, and the function returns nothing: return its number."
    expect(fourth is not None, said)
    for day, wanted, said in (
        (0, None, "before the first event nobody is in Production, so the answer is None."),
        (4, 1, "events after the moment that is asked for do not count: on day 4 it was version 1."),
        (6, 1, "version 2 was only in Staging on day 6; look for the target Production."),
        (3, 1, "what happens at the very moment counts: use <=, not <."),
        (8, 2, "on day 7 version 2 took the place of version 1."),
        (10, 2, "on day 9 version 3 was archived, which never was in Production: version 2 stays."),
        (12, None, "on day 11 version 2 was archived and nobody followed: the answer is None."),
        (14, 1, "on day 13 version 1 came back from the archive."),
    ):
        expect(given(day) == wanted, said)
    expect(given(1, []) is None, "without any event the answer is None.")
    for half_days in range(30):
        for length in range(len(_HISTORY) + 1):
            events, at = _HISTORY[:length], half_days / 2
            was = _oracle(events, _day(at))
            expect(given(at, events) == was, f"on day {at}, after {length} events, the slow way gives {was}.")


EXERCISES = read_exercises("nb04.toml", {"04.1": _way_back, "04.2": _first_of_october, "04.3": _retell})
