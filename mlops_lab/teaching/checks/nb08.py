"""The exercises of notebook 08: MLflow's stages, every entity row back, and which engine to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_lab.teaching.checks.exercise import Exercise, Mistake, expect, mapped

if TYPE_CHECKING:
    import pandas as pd


_STAGES = ("None", "Staging", "Production", "Archived")


def _predict_stages(stages: Any) -> None:
    stages = mapped(stages, 'give a dict, such as {"v1": "Archived", "v2": "Staging"}.')
    expect(set(stages) == {"v1", "v2"}, "there are two versions, v1 and v2.")
    for name in ("v1", "v2"):
        expect(stages[name] in _STAGES, f"{stages[name]!r} is no stage; there is {', '.join(_STAGES)}.")
    expect(
        stages["v2"] == "Production", "v2 was moved last, and nobody stands at MLflow's door: where was it moved to?"
    )
    expect(
        stages["v1"] != "Archived",
        "archiving the former version is a choice of the caller (archive_existing_versions), and nobody chose it.",
    )
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
    expect(
        len(answer) >= len(rows) or set(answer["flight"]) != {row[0] for row in rows} - {"c", "e"},
        "flights c and e are missing: nothing was known for them, and that is an answer too. Keep their rows, empty.",
    )
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


_CHOICE = """choice = {{
    "one person, one laptop, a course": "{}",
    "a team of five that trains every night": "{}",
    "features for a thousand requests a second on three servers": "{}",
    "a history table of a terabyte": "{}",
}}"""

EXERCISES = (
    Exercise(
        id="08.1",
        kind="predict",
        question="v1 was moved to Production with MLflow's own client, then v2. Which stage does each have now?",
        answer="stages",
        stub='stages = {"v1": ..., "v2": ...}',
        test=_predict_stages,
        solution='stages = {"v1": "Production", "v2": "Production"}',
        mistakes=(
            Mistake('stages = {"v1": "Archived", "v2": "Production"}', "a choice of the caller"),
            Mistake('stages = {"v1": "Production", "v2": "Staging"}', "v2 was moved last"),
            Mistake('stages = {"v1": "Staging", "v2": "Production"}', "nothing has moved v1"),
        ),
        hints=(
            "The client does what it is told. What was it told about v1?",
            "It was told to move v1 once, to Production.",
            "There is an argument that archives the former version. It is off unless it is given.",
        ),
        lesson="one champion is a rule of a team, and MLflow's client leaves it to the team.",
    ),
    Exercise(
        id="08.2",
        kind="build",
        question="Write every_row(ask, entity_df): the answer of ask, with every entity row back and in order.",
        answer="every_row",
        stub="every_row = ...",
        test=_every_row,
        solution="""def every_row(ask, entity_df):
    keys = ["origin", "event_timestamp"]
    answer = ask(entity_df)[[*keys, "wind"]]
    return entity_df.merge(answer, on=keys, how="left")
""",
        mistakes=(
            Mistake("def every_row(ask, entity_df):\n    return ask(entity_df)\n", "came back; two flights"),
            Mistake(
                """def every_row(ask, entity_df):
    keys = ["origin", "event_timestamp"]
    return entity_df.merge(ask(entity_df)[[*keys, "wind"]], on=keys)
""",
                "flights c and e are missing",
            ),
            Mistake(
                """def every_row(ask, entity_df):
    keys = ["origin", "event_timestamp"]
    answer = ask(entity_df)[[*keys, "wind"]]
    return entity_df.merge(answer, on=keys, how="left").sort_values(keys)
""",
                "in another order",
            ),
        ),
        hints=(
            "Your rows are the truth about which rows there are. The answer only adds a column to them.",
            "pandas has a join that keeps all rows of the left side, in their order.",
            'entity_df.merge(answer, on=keys, how="left"), where answer has the keys and the wind, and nothing else.',
        ),
        lesson="that is what the adapter does: the caller's rows stay, and the store's answer is put beside them.",
    ),
    Exercise(
        id="08.3",
        kind="change",
        question="Which engine would you begin with in each situation? embedded, mlflow, feast or spark.",
        answer="choice",
        stub=_CHOICE.format("...", "...", "...", "...").replace('"..."', "..."),
        test=_choose,
        solution=_CHOICE.format("embedded", "mlflow", "feast", "spark"),
        mistakes=(
            Mistake(_CHOICE.format("mlflow", "mlflow", "feast", "spark"), "needs no server"),
            Mistake(_CHOICE.format("embedded", "embedded", "feast", "spark"), "five people need one registry"),
            Mistake(_CHOICE.format("embedded", "mlflow", "spark", "spark"), "three servers need one online store"),
        ),
        hints=(
            "Who has to see the same thing at the same time?",
            "A registry is shared by people, an online store by servers, and a cluster is for what no machine holds.",
            "One of each: every engine is right exactly once.",
        ),
        lesson="move when something has to be shared, or does not fit: not because an engine has a name.",
        setup=f"situations = {tuple(_SITUATIONS)!r}",
    ),
)
