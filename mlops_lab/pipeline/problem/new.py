"""A project of one's own: a small folder that holds the whole problem, its tests, a notebook and its workflows."""

from __future__ import annotations

import json
import re
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import HomeError, InvalidData
from mlops_lab.pipeline.problem.proposal import Proposal, one_line, propose, word_of

_PLACES = {
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "test_problem.py": "tests/test_problem.py",
    "notebook.py": "notebooks/look.ipynb",
    "ci.yml": ".github/workflows/ci.yml",
    "model.yml": ".github/workflows/model.yml",
}
_EXAMPLE = {"NAME": "warm_days", "QUESTION": "How warm will it get in Seattle today?", "CRON": "0 14 * * *"}
_WEATHER = """
`data/weather.csv` is Seattle's daily weather of 2012 to 2015: observations of NOAA, in the public domain
(https://www.weather.gov/disclaimer), as the package vega_datasets carries them.
"""


def new_project(folder: str | Path, *, data: str | Path | None = None, **told: str | None) -> Proposal | None:
    """Lay out a project: the example of Seattle's days, or a proposal for a file of one's own.

    Args:
        folder: where; it must be new, or empty.
        data: a CSV or Parquet file of decisions, one row each, which is copied.
        told: what somebody knows of its columns; see `propose`.

    Returns:
        What was guessed of the file, and what could not be known; None for the example.

    Raises:
        InvalidData: the folder holds something, or the file cannot be made a problem of.
        HomeError: the folder cannot be written.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidData(f"the folder {folder} is not empty; a project begins in a new one.")
    found = None if data is None else propose(data, **told)
    name = re.sub(r"[^a-z0-9_]+", "_", target.resolve().name.lower()).strip("_") or "problem"
    words = {**_EXAMPLE, "MORE": _WEATHER}
    if found is not None:
        name = name if name[0].isalpha() else f"p_{name}"
        words = {"NAME": name, "QUESTION": f"What will {found.label} be?", "CRON": "0 6 * * *", "MORE": _told(found)}
    written = {place: _filled(source, words) for source, place in _PLACES.items()}
    written["notebooks/look.ipynb"] = _notebook(written["notebooks/look.ipynb"])
    written[".gitignore"] = ".mlops_lab/\n.venv/\n__pycache__/\n"
    written["problem.py"] = _read("problem.py") if found is None else _filled("own.py", {**words, **_own(found)})
    try:
        for place, text in written.items():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            (target / place).write_text(text, "utf-8")
        (target / "data").mkdir(exist_ok=True)
        if found is None:
            (target / "data/weather.csv").write_text(_read("weather.csv"), "utf-8")
        else:
            (target / "data" / found.file.name).write_bytes(found.file.read_bytes())
    except OSError as error:
        raise HomeError(target, error.strerror or str(error)) from None
    return found


def _read(name: str) -> str:
    return (package_files("mlops_lab.pipeline.problem") / "template" / f"{name}.txt").read_text("utf-8")


def _quoted(name: str | None) -> str:
    return json.dumps(name, ensure_ascii=False)


def _filled(name: str, words: dict[str, str]) -> str:
    text = _read(name)
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def _told(found: Proposal) -> str:
    lines = ["", "What was guessed from the file (look at each, in `problem.py`):", ""]
    lines += [f"- {each}" for each in found.guessed]
    lines += ["", "What a file cannot say, and you can:", ""]
    lines += [f"- {each}" for each in found.unknown]
    lines += ["", "What looks suspicious:", "", *(f"- {each}" for each in found.suspicions)] if found.suspicions else []
    return "\n".join([*lines, ""])


def _own(found: Proposal) -> dict[str, str]:
    """The words of the description that are this file's own."""
    is_class, reader = found.kind == "classification", "parquet" if found.file.suffix == ".parquet" else "csv"
    per_day = found.rows / max(found.days, 1)
    columns = dict.fromkeys(name for name in (found.key, found.label, *found.entities, *found.features) if name)
    word: dict[str, str] = {}
    for name in columns:
        new = word_of(name)
        while new in word.values() or (new != name and new in columns):
            new += "_"
        word[name] = new
    by, label = tuple(word[name] for name in found.entities) or ("everyone",), word[found.label]

    def time(column: str | None) -> str:
        how = "".join(f", {each}" for each in found.read.get(column or "", ()))
        return f"pd.to_datetime(rows[{_quoted(column)}], utc=True{how})" if column else 'rows["event_timestamp"]'

    key = word[found.key] if found.key else "row_number"
    steps = [] if found.key else ['rows["row_number"] = range(len(rows))']
    steps += [] if found.entities else ['rows["everyone"] = "everyone"']
    renamed = {name: f"{word[name]}_name" for name in found.features if name in found.entities}
    copies = [*((name, new) for name, new in word.items() if name not in (new, found.label)), *renamed.items()]
    steps += [f'rows["{new}"] = rows[{_quoted(name)}]' for name, new in copies]
    texts = [*(word[name] for name in found.texts), *(renamed[name] for name in found.texts if name in renamed)]
    steps += [f'rows[{json.dumps(texts)}] = rows[{json.dumps(texts)}].astype("string")'] if texts else []
    facts = dict.fromkeys([*(renamed.get(name, word[name]) for name in found.features), "hour", "weekday"])
    if is_class:
        bounds = ['Floor("served.roc_auc", 0.55)', 'ServedSkew("roc_auc", 0.03)']
        bounds += ['NoWorseThanChampion("served.roc_auc", 0.01)']
        value = f"rows[{_quoted(found.label)}].astype(str) == {json.dumps(found.yes)}"
    else:
        bounds = ['Floor("served.r2", 0.0)', f'ServedSkew("mae", {found.spread * 0.05:.3g})']
        bounds += [f'NoWorseThanChampion("served.mae", {found.spread * 0.02:.3g})']
        value = f"rows[{_quoted(found.label)}].astype(float)"
    pasts = "".join(
        f'{name}_past = feature_view(\n    "{name}_past", past_means(rows, "{name}", "{label}"), '
        f'entities="{name}", features=["{name}_past"], **CREATED\n)\n'
        for name in by
    )
    told = {"time": "when it is decided", "known": "when the outcome was known", "created": "when it was written"}
    said = {word: f"GUESS: {what}" if word not in found.told else what for word, what in told.items()}
    said["known"] = said["known"] if found.known else "UNKNOWN: when the outcome was known; taken as at once"
    said["created"] = (
        told["created"] if found.created else "UNKNOWN: when a row was written; taken as when it is decided"
    )
    said = {word: each + found.marks.get(word, "") for word, each in said.items()}
    the_outcome = "the outcome to predict" + (f", yes when it is {found.yes}" if found.yes else "")
    names = f"{found.key or 'no column, so its number,'} names a row"
    skipped = [
        f"rows = rows[{which}].reset_index(drop=True)  # GUESS: {one_line(why)}\n" if why else ""
        for which, why in (
            (f"rows[{_quoted(found.label)}].notna()", found.unlabelled),
            ('rows["label_timestamp"] >= rows["event_timestamp"]', found.out_of_order),
        )
    ]
    return {
        "LABELLED": skipped[0], "IN_ORDER": skipped[1],
        "LABEL_SAID": one_line(the_outcome if "label" in found.told else f"GUESS: {the_outcome}"),
        "KEY_SAID": one_line(names if "key" in found.told else f"GUESS: {names}"),
        "SUSPICIONS": "".join(f"# SUSPICION: {one_line(each)}\n" for each in found.suspicions)
        + (_LANDED.format(key=key) if found.suspicions else ""),
        "FILE": found.file.name, "READER": reader, "SEPARATED": found.separated,
        "LABEL": label, "LABEL_VALUE": value, "KEY": key,
        "TIME": time(found.time), "TIME_SAID": said["time"], "KNOWN": time(found.known), "KNOWN_SAID": said["known"],
        "CREATED": time(found.created), "CREATED_SAID": said["created"], "BY": by[0], "PASTS": pasts,
        "STEPS": "".join(f"{each}\n" for each in steps), "FACTS": ", ".join(json.dumps(each) for each in facts),
        "LEFT_OUT": "".join(f"# left out: {one_line(name)}, {why}\n" for name, why in found.left_out.items()),
        "VIEWS": ", ".join(["facts", *(f"{name}_past" for name in by)]), "METRIC": "roc_auc" if is_class else "mae",
        "MODELS": '["logistic", "gradient_boosting"]' if is_class else '["gradient_boosting", "ridge"]',
        "BOUNDS": ",\n        ".join([*bounds, f"RowCount({found.rows // 4})"]),
        "HOLDOUT": str(max(2, int(found.days // 4))),
        "WATCH": str(int(min(60, max(2, found.days // 4), max(14, 400 // per_day)))),
    }  # fmt: skip


_LANDED = """\
# Was it known later? Take it out of FACTS. Or say when it landed, in a view of its own, and leaks and gate refuse it:
#     late = feature_view("late", rows, entities="{key}", features=[…], landed_column="label_timestamp")
"""


def _notebook(text: str) -> str:
    """The notebook of a text in percent format."""
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(re.split(r"^# %%", text, flags=re.MULTILINE)[1:]):
        head, _, body = part.partition("\n")
        source, is_text = body.strip("\n"), "[markdown]" in head
        source = re.sub(r"^# ?", "", source, flags=re.MULTILINE) if is_text else source
        cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
        kind: dict[str, Any] = (
            {"cell_type": "markdown"} if is_text else {"cell_type": "code", "execution_count": None, "outputs": []}
        )
        cells.append(cell | kind)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"
