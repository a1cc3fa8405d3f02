"""A first description of somebody's own file: what its columns seem to be, and what nobody can see from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.pipeline.problem.leaks import TOO_GOOD, strength

if TYPE_CHECKING:
    import pandas as pd


_TIMES = ("event_timestamp", "decided", "ordered", "started", "opened", "timestamp", "datetime", "time", "date")
_KNOWN = ("label_timestamp", "known", "closed", "resolved", "settled", "delivered", "returned", "finished", "ended")
_CREATED = ("created_timestamp", "ingested", "inserted", "loaded", "recorded", "written", "updated")
_LABELS = ("label", "target", "outcome", "late", "churn", "churned", "fraud", "default", "returned", "defaulted", "y")
_YES = ("true", "yes", "y", "t", "1", "1.0")
_MOST = 50  # categories that a text feature may have in a proposal


@dataclass(frozen=True)
class Proposal:
    """What the columns of a file seem to be. `guessed` and `unknown` say it in sentences, for a person to confirm."""

    file: Path
    time: str
    key: str | None
    label: str
    kind: str
    yes: str | None
    known: str | None
    created: str | None
    entities: tuple[str, ...]
    features: Mapping[str, str]
    left_out: Mapping[str, str]
    days: float
    rows: int
    spread: float
    guessed: tuple[str, ...]
    unknown: tuple[str, ...]


def propose(file: str | Path, **told: str | None) -> Proposal:
    """Look at a CSV or Parquet file of decisions, one row each, and say what it seems to hold.

    Args:
        file: the file.
        told: columns that somebody names: `time`, `key`, `label`, `known` (when the outcome was known), `created` (when
            the row was written). What is named is not guessed; a created time is never guessed.

    Raises:
        UnknownName: a named column does not exist.
        InvalidData: the file cannot be read, or holds no times, no label or too short a time.
    """
    import pandas as pd

    path = Path(file)
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
        raise InvalidData(f"{path.name} cannot be read: {why}.") from None
    for word, name in told.items():
        if name is not None and name not in frame.columns:
            raise UnknownName(f"{word} column", name, frame.columns, where=path.name)
    times = {str(name): found for name in frame.columns if (found := _times(frame[name])) is not None}
    guessed: list[str] = []
    unknown: list[str] = []
    time, known = _when(frame, times, told, guessed, unknown, path.name)
    label, kind, yes = _what(frame, times, told, guessed, path.name)
    rest = [str(name) for name in frame.columns if name != label and name not in times]
    unique = [name for name in rest if frame[name].is_unique and frame[name].dtype.kind != "f"]
    key = told.get("key") or next(iter(unique), None)
    if not told.get("key"):
        guessed.append(f"{key} names a row." if key else "no column names a row; their number does.")
    truth = (frame[label].astype(str) == yes).to_numpy("float64") if yes else frame[label].to_numpy("float64")
    features, left_out, entities = _features(frame, [name for name in rest if name != key], truth, kind)
    days = (times[time].max() - times[time].min()).total_seconds() / 86_400
    if days < 8:
        raise InvalidData(f"{path.name} spans {days:.1f} days; to learn, to examine and to watch takes 8 at least.")
    guessed += [f"{name} is no feature: {why}." for name, why in left_out.items()]
    facts = ", ".join(features) or "nothing but the time"
    unknown.append(f"whether {facts} was known when the row was decided; take out what was not.")
    return Proposal(
        path,
        time,
        key,
        label,
        kind,
        yes,
        known,
        told.get("created"),
        entities,
        features,
        left_out,
        days,
        len(frame),
        float(pd.Series(truth).std()),
        tuple(guessed),
        tuple(unknown),
    )


def _when(
    frame: pd.DataFrame,
    times: Mapping[str, pd.Series[Any]],
    told: Mapping[str, str | None],
    guessed: list[str],
    unknown: list[str],
    name: str,
) -> tuple[str, str | None]:
    """The column that says when a row is decided, and the one that says when its outcome was known."""
    if told.get("time") and told["time"] not in times:
        raise InvalidData(f"column {told['time']!r} of {name} does not read as times.")
    whole = [each for each in times if times[each].notna().all()]
    before = [each for each in whole if not _named([each], (*_KNOWN, *_CREATED))] or whole
    time = told.get("time") or _named(before, _TIMES) or next(iter(before), None)
    if time is None:
        raise InvalidData(f"no column of {name} reads as times in every row; say when each was decided: --time COLUMN.")
    if not told.get("time"):
        guessed.append(f"{time} is when a row is decided.")
    if not _has_zone(frame[time]):
        unknown.append(f"the time zone of {time}: it is taken as UTC; change it in problem.py if it is not.")
    later = [each for each in times if each != time and (times[each] >= times[time])[times[each].notna()].all()]
    known = told.get("known") or _named([each for each in later if each in whole], _KNOWN)
    if not known:
        unknown.append("when an outcome was known: it counts as known at once, which is seldom true (--known COLUMN).")
    elif not told.get("known"):
        guessed.append(f"{known} is when the outcome was known.")
    if not told.get("created"):
        seen = _named(later, _CREATED)
        hint = f"; {seen} may say it (--created {seen})" if seen else " (--created COLUMN)"
        unknown.append(f"when a row was written: its columns count as known when it is decided{hint}.")
    return time, known


def _what(
    frame: pd.DataFrame,
    times: Mapping[str, pd.Series[Any]],
    told: Mapping[str, str | None],
    guessed: list[str],
    name: str,
) -> tuple[str, str, str | None]:
    """The column of outcomes, what kind they are, and which text is the yes."""
    from pandas.api.types import is_numeric_dtype

    label = told.get("label") or _label(frame, [str(each) for each in frame.columns if each not in times])
    if label is None:
        raise InvalidData(f"no column of {name} looks like an outcome; say which: --label COLUMN.")
    if not told.get("label"):
        guessed.append(f"{label} is the outcome to predict.")
    values = frame[label].dropna()
    if (many := values.nunique()) < 2:
        raise InvalidData(f"the label {label!r} is the same in every row; there is nothing to learn.", column=label)
    if len(values) < len(frame):
        raise InvalidData(
            f"{len(frame) - len(values):,} rows have no {label!r}; leave out what is not known.", column=label
        )
    if many > 2 and not is_numeric_dtype(values):
        raise InvalidData(f"the label {label!r} holds {many:,} texts; it is yes or no, or a number.", column=label)
    yes = _yes(values) if many == 2 else None
    guessed.append(f"{label} is yes when it is {yes}." if yes else f"{label} is a number: its mean error counts.")
    return label, "classification" if yes else "regression", yes


def _times(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """The column as times in UTC, or None where it is not of times."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True)
    if pd.api.types.is_numeric_dtype(column) or column.dropna().empty:
        return None
    if not column.dropna().astype(str).head(50).str.contains(r"\d{2,4}[-/.]\d{1,2}[-/.]\d{1,4}").all():
        return None
    found = pd.to_datetime(column, utc=True, errors="coerce", format="mixed")
    return found if found.isna().sum() == column.isna().sum() else None


def _has_zone(column: pd.Series[Any]) -> bool:
    if getattr(column.dtype, "tz", None) is not None:
        return True
    return bool(column.dropna().astype(str).head(50).str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$").all())


def _named(names: list[str], words: tuple[str, ...]) -> str | None:
    """The name that holds the earliest of some words."""
    parts = {name: {name.lower(), *re.split(r"[^a-z]+", name.lower())} for name in names}
    return next((name for word in words for name in names if word in parts[name]), None)


def _label(frame: pd.DataFrame, names: list[str]) -> str | None:
    found = _named(names, _LABELS)
    two = [name for name in names if frame[name].nunique() == 2]
    flags = [name for name in two if name.lower().startswith(("is_", "has_", "was_")) or frame[name].dtype == bool]
    numbers = [name for name in names if frame[name].dtype.kind == "f"]
    return found or next(iter([*flags[::-1], *two[::-1], *numbers[::-1]]), None)


def _yes(values: pd.Series[Any]) -> str:
    texts = values.astype(str)
    said = [text for text in texts.unique() if text.lower() in _YES]
    return str(said[0] if said else texts.value_counts().index[-1])


def _features(
    frame: pd.DataFrame, names: list[str], truth: Any, kind: str
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """The columns to learn from with their types, those that are none with the reason, and those that repeat."""
    features: dict[str, str] = {}
    left_out: dict[str, str] = {}
    entities: list[str] = []
    for name in names:
        column, letter = frame[name], frame[name].dtype.kind
        many = int(column.nunique())
        is_text = letter not in "iufb"
        if many < 2:
            left_out[name] = "it never varies"
        elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            left_out[name] = "its name has other signs than letters, digits and _; rename it to use it"
        elif strength(column, truth, kind) >= TOO_GOOD[kind]:
            left_out[name] = "alone it is nearly the outcome itself"
        elif is_text and many > _MOST:
            left_out[name] = f"it has {many:,} distinct texts"
        else:
            features[name] = "string" if is_text else {"i": "int64", "u": "int64", "f": "float64", "b": "bool"}[letter]
        repeats = is_text or (letter in "iu" and name.lower().endswith(("id", "no", "number", "code")))
        named = name in features or many > _MOST  # an entity may have more names than a feature may have categories
        if repeats and named and 2 <= many <= len(frame) / 5 and column.notna().all():
            entities.append(name)
    return features, left_out, tuple(sorted(entities, key=lambda name: -frame[name].nunique())[:2])
