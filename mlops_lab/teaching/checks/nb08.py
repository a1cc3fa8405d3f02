"""The exercises of notebook 08: MLflow's stages, every entity row back, and which engine to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_lab.teaching.checks.exercise import expect, mapped, read_exercises

if TYPE_CHECKING:
    import pandas as pd


_STAGES = ("None", "Staging", "Production", "Archived")


def _predict_stages(stages: Any) -> None:
    stages = mapped(stages, 'give a dict, such as {"v1": "Archived", "v2": "Staging"}.')
    expect(set(stages) == {"v1", "v2"}, "there are two versions, v1 and v2.")
    for name in ("v1", "v2"):
        expect(stages[name] in _STAGES, f"{stages[name]!r} is no stage; there is {', '.join(_STAGES)}.")
    said = "v2 was moved last, and MLflow lets everybody move a version: where was it moved to?"
    expect(stages["v2"] == "Production", said)
    said = "archiving the former version is a choice of the caller (archive_existing_versions), and nobody chose it."
    expect(stages["v1"] != "Archived", said)
    expect(stages["v1"] == "Production", "nothing has moved v1 since it came to Production.")


def _file_store(entity_df: pd.DataFrame) -> pd.DataFrame:
    """What the exercise's store answers: the wind at an airport, as a store of files may hand it back.

    Rows of one key and time become one, rows for which nothing is known are gone, and the order is the store's own.
    """
    known = {("EWR", 6): 11.0, ("EWR", 7): 12.5, ("JFK", 6): 9.0, ("JFK", 9): 14.0}
    rows = entity_df.drop_duplicates(["origin", "event_timestamp"])
    winds: list[Any] = [
        known.get((origin, moment.hour)) for origin, moment in zip(rows["origin"], rows["event_timestamp"], strict=True)
    ]
    found = rows.assign(wind=winds).dropna(subset=["wind"])
    return found.sort_values(["origin", "event_timestamp"], ascending=False).reset_index(drop=True)


def _flights(*rows: tuple[str, str, int], index: list[int] | None = None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "flight": [flight for flight, _, _ in rows],
            "origin": [origin for _, origin, _ in rows],
            "event_timestamp": pd.to_datetime([f"2013-01-01 {hour:02}:00" for _, _, hour in rows], utc=True),
        },
        index=index,
    )


def _every_row(every_row: Any) -> None:
    import pandas as pd

    expect(callable(every_row), "give a function of two arguments: the store's question and the entity rows.")
    rows = [("a", "JFK", 9), ("b", "EWR", 7), ("c", "LGA", 6), ("d", "JFK", 9), ("e", "EWR", 8), ("f", "EWR", 6)]
    entity_df = _flights(*rows, index=[7, 7, 3, 2, 1, 0])
    before = entity_df.copy()
    answer = every_row(_file_store, entity_df)
    expect(isinstance(answer, pd.DataFrame), "the function gives back a frame.")
    expect("wind" in answer.columns, "the frame has a column wind, as the store's answer has.")
    said = "flights c and e are missing: nothing was known for them, and that is an answer too. Keep their rows, empty."
    expect(len(answer) >= len(rows) or set(answer["flight"]) != {row[0] for row in rows} - {"c", "e"}, said)
    expect(
        len(answer) == len(rows) and set(answer["flight"]) == {row[0] for row in rows},
        f"{len(rows)} rows went in and {len(answer)} came back; two flights at one airport and time are two flights.",
    )
    expect(list(answer["flight"]) == [row[0] for row in rows], "the rows come back in another order than they went in.")
    winds = [None if pd.isna(wind) else wind for wind in answer["wind"]]
    expect(winds == [14.0, 12.5, None, 14.0, None, 11.0], f"the winds are {winds}; look up each flight's own.")
    expect(entity_df.equals(before), "the caller's own frame was changed; work on a copy.")


_SITUATIONS: Mapping[str, tuple[str, str]] = {
    "one person, one laptop, a course": ("embedded", "one person needs no server to look after."),
    "a team of five that trains every night": ("mlflow", "five people need one registry that all of them can see."),
    "features for a thousand requests a second on three servers": (
        "feast",
        "three servers need one online store that all of them can reach.",
    ),
    "a history table of a terabyte": ("spark", "that does not fit into one machine's memory."),
}


def _choose(choice: Any) -> None:
    choice = mapped(choice, "give a dict: situation to engine.")
    missing = [each for each in _SITUATIONS if each not in choice]
    expect(not missing, f"give every situation its engine; missing is {missing[:1]}.")
    engines = ("embedded", "mlflow", "feast", "spark")
    for situation, (engine, why) in _SITUATIONS.items():
        expect(choice[situation] in engines, f"{choice[situation]!r} is none of {', '.join(engines)}.")
        expect(choice[situation] == engine, f"{situation}: {why}")


EXERCISES = read_exercises("nb08.toml", {"08.1": _predict_stages, "08.2": _every_row, "08.4": _choose})
