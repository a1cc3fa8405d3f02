"""What do the engines answer today? `python scripts/compare_engines.py` asks them and keeps the comparison.

It takes some minutes and needs both engines (`python start.py test-engines` makes their environments); when one is
missing, the table of the others is printed and nothing is kept. With --json it prints JSON and keeps nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from engine_runs.planted import echo_dag, manners, sequence
from engine_runs.running import ENGINES, Answer, Asked, Record, run_all

from mlops_lab.adapters.comparison import STORED, Comparison
from mlops_lab.base.clock import SystemClock
from mlops_lab.base.errors import MissingExtra

__all__ = ["DATES", "live_comparison", "main", "missed_since", "questions"]

#: (what it shows, cron, time zone, from, how many)
_CRONS = (
    ("daily at 06:00 in New York over the change to summer time", "0 6 * * *", "America/New_York", "2013-03-09", 3),
    ("daily at 02:30 in Berlin, a time that spring leaves out", "30 2 * * *", "Europe/Berlin", "2013-03-30", 3),
    ("daily at 02:30 in Berlin, a time that autumn has twice", "30 2 * * *", "Europe/Berlin", "2013-10-26", 3),
)
DATES = tuple((cron, zone, f"{start}T00:00:00+00:00", count) for _, cron, zone, start, count in _CRONS)
_SHORT: Mapping[str, Any] = {"holdout_days": 21, "train_from": "2013-07-01", "author": "ada"}
_ERRORS: Mapping[str, Mapping[str, Any]] = {
    'size="7", where a whole number is declared': {"size": "7"},
    "size=99, above the maximum": {"size": 99},
    "sizes=3, a param that does not exist": {"sizes": 3},
    'day="2013-13-01", no date': {"day": "2013-13-01"},
}
_LENGTH = 20


def questions() -> dict[str, Asked]:
    """The runs that every engine is asked for, by name.

    >>> [name for name in questions()][:3]
    ['passed', 'refused', 'manners']
    """
    from mlops_lab.pipeline.flights import flights_pipeline

    flights = flights_pipeline()
    errors = {
        name: Asked(echo_dag(), f"2013-10-{day:02}", params) for day, (name, params) in enumerate(_ERRORS.items(), 1)
    }
    return {
        "passed": Asked(flights, "2013-10-01", _SHORT),
        "refused": Asked(flights, "2013-10-02", {**_SHORT, "features": "daily_averages"}),
        "manners": Asked(manners(), "2013-10-01", {"size": 4}),
        **errors,
        "sequence": Asked(sequence(_LENGTH), "2013-10-01", brief=True),
    }


def missed_since() -> tuple[str, str]:
    """A daily schedule and a start a little more than ten days ago: what an engine makes up of it.

    >>> missed_since()[0]
    '0 6 * * *'
    """
    return "0 6 * * *", (SystemClock().now() - timedelta(days=10)).isoformat()


def live_comparison(answers: Mapping[str, Answer] | None = None) -> Comparison:
    """The comparison of the answers, or of what the engines that are installed here answer now (minutes).

    >>> live_comparison({}).rows
    ()
    """
    found = dict(answers) if answers is not None else _answers()
    names = list(questions())
    records = {engine: dict(zip(names, each.runs, strict=True)) for engine, each in found.items()}
    looked: dict[str, dict[str, str]] = {}
    for engine, runs in records.items():
        for what, look in _LOOKS.items():
            looked.setdefault(what, {})[engine] = look(runs)
        for (what, *_), dates in zip(_CRONS, found[engine].dates, strict=True):
            looked.setdefault(f"{what} (UTC)", {})[engine] = ", ".join(each[5:16] for each in dates)
        made_up = found[engine].missed
        for catchup in ("True", "False"):
            told = str(made_up.get(catchup, 0)) if engine != "prefect" else "0: it plans ahead only"
            looked.setdefault(f"ten days missed, runs made up with catchup={catchup}", {})[engine] = told
    return Comparison({engine: each.version for engine, each in found.items()}, tuple(looked.items()))


def _answers() -> dict[str, Answer]:
    answers = {}
    for engine in ENGINES:
        try:
            missed = None if engine == "prefect" else missed_since()
            answers[engine] = run_all(engine, list(questions().values()), dates=DATES, missed=missed, timeout=1500)
        except MissingExtra as missing:
            print(missing, file=sys.stderr)
    return answers


def _error(name: str) -> Callable[[Mapping[str, Record]], str]:
    def look(runs: Mapping[str, Record]) -> str:
        return "refused" if runs[name].refused else "accepted"

    return look


def _verdict(runs: Mapping[str, Record], name: str) -> str:
    found = runs[name].verdict
    if found is None:
        return "no version"
    gate = {True: "passed", False: "refused", None: "not asked"}[found.passed]
    return f"{gate}, {found.stage}, model {found.artifact.removeprefix('sha256:')[:12]}"


def _not_run(runs: Mapping[str, Record], name: str) -> str:
    run = runs[name]
    return ", ".join(each for each in sorted(run.tasks) if not run.attempts.get(each))


_LOOKS: Mapping[str, Callable[[Mapping[str, Record]], str]] = {
    "flights: tasks and edges": lambda runs: f"{len(runs['passed'].tasks)} and {len(runs['passed'].edges)}",
    "flights: order": lambda runs: ", ".join(runs["passed"].order),
    "flights, honest features: verdict": lambda runs: _verdict(runs, "passed"),
    "flights, leaking features: verdict": lambda runs: _verdict(runs, "refused"),
    "flights, leaking features: not run": lambda runs: _not_run(runs, "refused"),
    "flights, leaking features: state of the run": lambda runs: runs["refused"].state,
    "a third try succeeds: attempts": lambda runs: str(runs["manners"].attempts["flaky"]),
    "a third try succeeds: seconds waited (1 and 2 asked for)": lambda runs: ", ".join(
        f"{each:.0f}" for each in runs["manners"].waits["flaky"]
    ),
    "three retries, but it said that they cannot help: attempts": lambda runs: str(runs["manners"].attempts["breaks"]),
    "skipped": lambda runs: ", ".join(sorted(k for k, v in runs["manners"].states.items() if v == "skipped")),
    "not run for want of an upstream": lambda runs: ", ".join(
        sorted(k for k, v in runs["manners"].states.items() if v == "upstream_failed")
    ),
    "state of that run, whose failure was coped with": lambda runs: runs["manners"].state,
    **{f"param {name}": _error(name) for name in _ERRORS},
    "overhead a task, in a row of 20 that do nothing": lambda runs: _overhead(runs["sequence"]),
}


def _overhead(run: Record) -> str:
    milliseconds = run.seconds * 1000 / _LENGTH
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def main(arguments: list[str] | None = None) -> None:
    """Ask, print, and keep the answer with the course."""
    described = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=described)
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table, and keep nothing")
    options = parser.parse_args(arguments)
    found = live_comparison()
    written = json.dumps(found.to_dict(), indent=2, ensure_ascii=False)
    print(written if options.json else found.table())
    if list(found.versions) == list(ENGINES) and not options.json:
        STORED.write_text(written + "\n", "utf-8")


if __name__ == "__main__":
    main()
