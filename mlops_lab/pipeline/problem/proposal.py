"""A proposal: what the columns of a file seem to be, what no file can say, and which rows are left out."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.data.features.columns import refuse_infinite
from mlops_lab.pipeline.problem.leaks import TOO_GOOD, standing_out, strength, told_of

if TYPE_CHECKING:
    import pandas as pd


_TIMES = ("event_timestamp", "decided", "ordered", "started", "opened", "timestamp", "datetime", "time", "date")
_KNOWN = ("label_timestamp", "known", "closed", "resolved", "settled", "delivered", "returned", "finished", "ended")
_CREATED = ("created_timestamp", "ingested", "inserted", "loaded", "recorded", "written", "updated")
_LABELS = ("label", "target", "outcome", "late", "churn", "churned", "fraud", "default", "returned", "defaulted", "y")
_YES = ("true", "yes", "y", "t", "1", "1.0")
_MOST = 50  # categories that a text feature may have in a proposal
_OFTEN = 0.9  # rows of a name of their own: the others are written twice, or corrected later
_NEARLY = 0.99  # of the rows: what holds for so many is guessed, and the others are told


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
    read: Mapping[str, tuple[str, ...]]
    texts: tuple[str, ...]
    told: frozenset[str]
    separated: str
    suspicions: tuple[str, ...] = ()
    unlabelled: str = ""
    out_of_order: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def roles(self) -> Mapping[str, str]:
        """What each column of the file is taken for; a column may be several things."""
        found = [(self.time, "when it is decided"), (self.known, "when the outcome was known")]
        found += [(self.created, "when it was written"), (self.label, "the outcome"), (self.key, "names a row")]
        found += [
            *((name, "its past is a feature") for name in self.entities),
            *((n, "feature") for n in self.features),
        ]
        found += [*self.left_out.items()]
        names = dict.fromkeys(name for name, _ in found if name)
        return {name: "; ".join(dict.fromkeys(said for each, said in found if each == name)) for name in names}


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
        how = {} if path.suffix == ".parquet" else _separated(path)
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, **how)
    except (OSError, ValueError) as error:
        why = (
            "there is no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0].rstrip(".")
        )
        hint = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise InvalidData(f"{path.name} cannot be read: {why}{hint}.") from None
    frame = frame.reset_index(drop=True)
    if frame.empty:
        raise InvalidData(f"{path.name} has no rows; there is nothing to learn from.")
    for word, name in told.items():
        if name is not None and name not in frame.columns:
            raise UnknownName(f"{word} column", name, frame.columns, where=path.name)
    read = {str(name): found for name in frame.columns if (found := _times(frame[name])) is not None}
    times = {name: moments for name, (moments, _) in read.items()}
    guessed: list[str] = []
    unknown: list[str] = []
    about_label: list[str] = []
    label, kind, yes = _what(frame, times, told, about_label, path.name)
    rest = [str(name) for name in frame.columns if name != label and name not in times]
    nearly = _nearly_keys(frame, rest)
    called = told.get("key") or next(iter(nearly), None)
    unlabelled = _left_out_rows(frame, frame[label].isna(), f"no {label}", called)
    frame = frame[frame[label].notna()]
    times = {name: moments[frame.index] for name, moments in times.items()}
    faults = [
        f"column {named!r} of {path.name} does not read as times{_no_times(frame[named])}."
        for word in ("time", "known", "created")
        if (named := told.get(word)) and named not in times
    ]
    faults += _at_fault(frame, times, told, called)
    if faults:
        raise InvalidData(" ".join(faults))
    time, known = _when(frame, times, told, guessed, unknown, path.name)
    out_of_order = _left_out_rows(frame, times[time].isna(), f"no time in {time}", called)
    keep = times[time].notna()
    if known is not None:
        early = keep & ~(times[known] >= times[time])
        out_of_order = " ".join(
            filter(None, [out_of_order, _left_out_rows(frame, early, f"no {known} after {time}", called)])
        )
        keep &= ~early
    frame, times = frame[keep], {name: moments[keep] for name, moments in times.items()}
    guessed += [*about_label, *filter(None, [unlabelled, out_of_order])]
    unique = [name for name in rest if frame[name].is_unique and frame[name].dtype.kind != "f"]
    key = told.get("key") or next(iter(unique), None)
    if not told.get("key"):
        near = _nearly_keys(frame, rest)
        hint = "".join(
            f" {name} nearly names a row: {_twice(frame[name])}." for name in near[:1] if not key and len(frame) > 1
        )
        guessed.append(f"{key} names a row." if key else f"no column names a row; their number does.{hint}")
    truth = (frame[label].astype(str) == yes).to_numpy("float64") if yes else frame[label].to_numpy("float64")
    features, left_out, entities, strengths = _features(frame, [name for name in rest if name != key], truth, kind)
    alone = standing_out(strengths, kind)
    suspicions = tuple(f"{told_of(name, label, strengths[name], best)}." for name, best in alone.items())
    used = (time, known, told.get("created"))
    left_out |= dict.fromkeys((name for name in times if name not in used), "it is a time")
    if (created := told.get("created")) and (after := int((times[created] > times[time]).sum())):
        unknown.append(
            f"what was known of {after:,} of {len(frame):,} rows when they were decided: they were written later, and "
            f"their columns are missing until {created}."
        )
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
        {name: args for name, (_, args) in read.items() if args},
        tuple(name for name in dict.fromkeys([*entities, *features]) if frame[name].dtype.kind not in "iufb"),
        frozenset(word for word, name in told.items() if name),
        "".join(f", {name}={value!r}" for name, value in how.items()),
        suspicions,
        unlabelled,
        out_of_order,
        marks={
            word: "".join(f"; UNKNOWN: {what}" for what, is_it in _doubts(frame[name]).items() if is_it)
            for word, name in (("time", time), ("known", known), ("created", told.get("created")))
            if name
        },
    )


def _doubts(column: pd.Series[Any]) -> dict[str, bool]:
    """What a time may leave open."""
    return {
        "its time zone, taken as UTC": _zoneless(column) > 0,
        "the month, taken to be first": _month_first(column),
    }


def _nearly_keys(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """The columns that name nearly every row: texts, and whole numbers whose name says so."""
    ids = [
        name
        for name in names
        if frame[name].dtype.kind not in "iufb" or (frame[name].dtype.kind in "iu" and _names_something(name))
    ]
    return [name for name in ids if frame[name].nunique() >= _OFTEN * len(frame)]


def _twice(column: pd.Series[Any]) -> str:
    again = column[column.duplicated()]
    many = "1 row comes" if len(again) == 1 else f"{len(again):,} rows come"
    return f"{many} twice, such as {one_line(str(again.iloc[0]))}"


def _left_out_rows(frame: pd.DataFrame, which: pd.Series[Any], why: str, key: str | None) -> str:
    """The sentence that says how many rows are left out and why, with one of them; "" where there are none."""
    if not (many := int(which.sum())):
        return ""
    verb, be = ("row has", "it is") if many == 1 else ("rows have", "they are")
    return f"{many:,} {verb} {why}, such as {_one(frame, which, key)}; {be} left out."


def _no_times(column: pd.Series[Any]) -> str:
    """How many cells of a column that somebody calls a time are none, and the first; "" where none is a time."""
    import pandas as pd

    read = pd.to_datetime(column.astype(str), utc=True, format="mixed", errors="coerce")
    bad = column.index[column.notna() & read.isna()]
    if not len(bad) or len(bad) == len(column):
        return ""
    cells = "cell is none" if len(bad) == 1 else "cells are none"
    return f": {len(bad):,} {cells}, such as {str(column[bad[0]])!r} in row {bad[0] + 1:,}; mend it or leave it empty"


def _one(frame: pd.DataFrame, which: pd.Series[Any], key: str | None) -> str:
    first = frame.index[which][0]
    return one_line(f"{key} {frame.loc[first, key]}") if key else f"row {first + 1:,}"


def _at_fault(
    frame: pd.DataFrame, times: Mapping[str, pd.Series[Any]], told: Mapping[str, str | None], called: str | None
) -> list[str]:
    """What a run would not take of the columns that somebody named."""
    found = []
    if key := told.get("key"):
        if frame[key].isna().any():
            none = frame[key].isna()
            one = _one(frame, none, None)
            found.append(f"{int(none.sum()):,} of {len(frame):,} rows have no {key!r}, such as {one} (--key).")
        elif not frame[key].is_unique:
            found.append(f"{_twice(frame[key])}; {key!r} does not name a row (--key).")
    time, known = told.get("time"), told.get("known")
    if time and time in times and not times[time].notna().mean() >= _NEARLY:
        missing = times[time].isna()
        found.append(f"{int(missing.sum()):,} rows have no time in {time!r}, such as {_one(frame, missing, called)}.")
    if known and known in times:
        at = time if time and time in times else _decided(times)
        early = ~(times[known] >= times[at]) if at is not None else times[known].isna()
        if at != known and early.mean() > 1 - _NEARLY:
            one = _one(frame, early, called)
            found.append(
                f"{int(early.sum()):,} of {len(frame):,} rows have no {known!r} after {at!r}, such as {one}: each "
                "needs the time at which its outcome was known, not before its decision (--known)."
            )
    return found


def _decided(times: Mapping[str, pd.Series[Any]]) -> str | None:
    """The column that seems to say when a row is decided."""
    whole = [each for each in times if times[each].notna().mean() >= _NEARLY]
    before = [each for each in whole if not _named([each], (*_KNOWN, *_CREATED))] or whole
    return _named(before, _TIMES) or next(iter(before), None)


def _separated(path: Path) -> dict[str, Any]:
    """How a CSV file is separated where it is not by commas, and how its numbers are written."""
    text = path.read_text("utf-8")
    head = text.partition("\n")[0]
    if head.count(",") >= max(head.count(";"), head.count("\t")):
        return {}
    how: dict[str, Any] = {"sep": ";" if ";" in head else "\t"}
    commas, points = (len(re.findall(rf"(?<![\d.,])\d+\{sign}\d+(?=[;\t\r\n])", text)) for sign in ",.")
    if commas > points:
        how["decimal"] = ","
        # 1.234,50: but a date without a time, 01.02.2024, would become a number too.
        if re.search(r"\d\.\d{3},\d", text) and not re.search(r"(?m)(?:^|[;\t])[\d.]{8,10}(?=[;\t\r\n])", text):
            how["thousands"] = "."
    return how


def _when(
    frame: pd.DataFrame,
    times: Mapping[str, pd.Series[Any]],
    told: Mapping[str, str | None],
    guessed: list[str],
    unknown: list[str],
    name: str,
) -> tuple[str, str | None]:
    """The column that says when a row is decided, and the one that says when its outcome was known."""
    time = told.get("time") or _decided(times)
    if time is None:
        raise InvalidData(f"no column of {name} reads as times in every row; say when each was decided: --time COLUMN.")
    if not told.get("time"):
        guessed.append(f"{time} is when a row is decided.")
    if many := _zoneless(frame[time]):
        whose = "" if many == len(frame) else f" in {many:,} of {len(frame):,} rows"
        unknown.append(f"the time zone of {time}{whose}: it is taken as UTC; change it in problem.py if it is not.")
    if _month_first(frame[time]):
        unknown.append(f"whether the day or the month is first in {time}: the month is taken; dayfirst=True otherwise.")
    others = [each for each in times if each != time]
    later = [each for each in others if (times[each] >= times[time])[times[each].notna()].mean() >= _NEARLY]
    at_last = [each for each in others if (times[each] >= times[time])[times[time].notna()].mean() >= _NEARLY]
    known = told.get("known") or _named(at_last, _KNOWN)
    if not known:
        hint = " (--known COLUMN)"
        if nearly := _named(others, _KNOWN):
            many = int((~(times[nearly] >= times[time])).sum())
            hint = f"; {nearly} may say it, but in {many:,} of {len(frame):,} rows it is missing or before {time}"
        unknown.append(f"when an outcome was known: it counts as known at once, which is seldom true{hint}.")
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
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    label = told.get("label") or _label(frame, [str(each) for each in frame.columns if each not in times])
    if label is None:
        raise InvalidData(f"no column of {name} looks like an outcome; say which: --label COLUMN.")
    if not told.get("label"):
        guessed.append(f"{label} is the outcome to predict.")
    refuse_infinite(frame[label], f"the label {label!r} of {name}")
    values = frame[label].dropna()
    if (many := values.nunique()) < 2:
        raise InvalidData(f"the label {label!r} is the same in every row; there is nothing to learn.", column=label)
    if many > 2 and not is_numeric_dtype(values):
        numbers = pd.to_numeric(values, errors="coerce")
        odd = values[numbers.isna()] if numbers.notna().mean() > 0.5 else values
        one = f"{one_line(str(odd.iloc[0])):.40} in row {odd.index[0] + 1:,}"
        raise InvalidData(
            f"the label {label!r} holds {many:,} texts; it is yes or no, or a number: {len(odd):,} of {len(values):,} "
            f"are none, such as {one}.",
            column=label,
        )
    yes = _yes(values) if many == 2 else None
    guessed.append(f"{label} is yes when it is {yes}." if yes else f"{label} is a number: its mean error counts.")
    return label, "classification" if yes else "regression", yes


def _times(column: pd.Series[Any]) -> tuple[pd.Series[Any], tuple[str, ...]] | None:
    """The column as times in UTC, and the arguments of `pd.to_datetime` that read it; None where it is not of times."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True), ()
    texts = column.dropna().astype(str)
    if pd.api.types.is_numeric_dtype(column) or texts.empty:
        return _since_1970(column)
    if texts.head(200).str.contains(r"\d{2,4}[-/.]\d{1,2}[-/.]\d{1,4}").mean() < 0.95:
        return None
    first = texts.str.extract(r"^\s*(\d{1,2})[-/.]\d{1,2}[-/.]\d{4}")[0].dropna().astype(int)
    early, few = bool((first > 12).any()), 0 < len(first) <= (1 - _NEARLY) * len(texts)
    if early and not few and len(first) < _NEARLY * len(texts):
        return None
    how: dict[str, Any] = {"dayfirst": True} if early and not few else {}
    tries: tuple[dict[str, Any], ...] = ({}, {"format": "mixed"}, {"format": "mixed", "errors": "coerce"})
    if few:  # day or month first, nobody knows: they are none rather than wrong
        tries = ({"format": "ISO8601", "errors": "coerce"},)
    for more in tries:
        try:
            found = pd.to_datetime(column, utc=True, **how, **more)
        except (ValueError, TypeError):
            continue
        if found.notna().sum() < _NEARLY * len(texts):
            return None
        return found, tuple(f"{name}={value!r}" for name, value in {**how, **more}.items())
    return None


def _since_1970(column: pd.Series[Any]) -> tuple[pd.Series[Any], tuple[str, ...]] | None:
    """Whole numbers as times where their column is named after a time and they count from 1970 to these decades."""
    import pandas as pd

    words = re.split(r"[^a-z]+", str(column.name).lower())
    if not {*words} & {*_TIMES, *_KNOWN, *_CREATED, "at", "ts", "ms", "epoch", "unix", "seconds", "millis"}:
        return None
    numbers = column.dropna()
    units: tuple[tuple[Literal["s", "ms"], int], ...] = (("s", 1), ("ms", 1000))
    for unit, many in units:
        if len(numbers) and numbers.between(6e8 * many, 4e9 * many).mean() >= _NEARLY:
            return pd.to_datetime(column, utc=True, unit=unit, errors="coerce"), (f"unit={unit!r}", "errors='coerce'")
    return None


def _zoneless(column: pd.Series[Any]) -> int:
    """In how many rows a time says no zone."""
    if getattr(column.dtype, "tz", None) is not None or column.dtype.kind in "iuf":  # seconds since 1970 are of UTC
        return 0
    texts = column.dropna().astype(str)
    return int((~texts.str.contains(r"\d:\d{2}.*(?:Z|[+-]\d{2}(?::?\d{2})?)$")).sum())


def _month_first(column: pd.Series[Any]) -> bool:
    """Are its dates such that nobody can say whether the day or the month is first?"""
    parts = column.dropna().astype(str).str.extract(r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.]\d{4}").dropna()
    return len(parts) > 0 and bool((parts.astype(int) <= 12).all(axis=None))


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
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...], dict[str, float]]:
    """The columns to learn from, those that are none and why, those that repeat, and what each feature tells alone."""
    strengths: dict[str, float] = {}
    features: dict[str, str] = {}
    left_out: dict[str, str] = {}
    entities: list[str] = []
    for name in names:
        column, letter = frame[name], frame[name].dtype.kind
        many = int(column.nunique())
        is_text = letter not in "iufb"
        if many < 2:
            left_out[name] = "it never varies"
        elif letter == "f" and (infinite := int(column.isin([math.inf, -math.inf]).sum())):
            left_out[name] = f"it is infinite in {infinite:,} rows; make those null, or a number"
        elif (alone := strength(column, truth, kind)) >= TOO_GOOD[kind]:
            left_out[name] = "alone it is nearly the outcome itself"
        elif is_text and (one := _number_as_text(column)):
            left_out[name] = f"its numbers are written as texts, such as {one}; make numbers of them in problem.py"
            continue
        elif is_text and many > _MOST:
            left_out[name] = f"it has {many:,} distinct texts"
        elif letter in "iu" and many > _MOST and _names_something(name):
            left_out[name] = "its numbers name something and are no quantity"
        else:
            strengths[name] = alone
            features[name] = "string" if is_text else {"i": "int64", "u": "int64", "f": "float64", "b": "bool"}[letter]
        repeats = is_text or (letter in "iu" and _names_something(name))
        named = name in features or many > _MOST  # an entity may have more names than a feature may have categories
        if repeats and named and 2 <= many <= len(frame) / 5 and column.notna().all():
            entities.append(name)
    return features, left_out, tuple(sorted(entities, key=lambda name: -frame[name].nunique())[:2]), strengths


def _names_something(name: str) -> bool:
    """Does the name of a column say that its numbers are names?

    >>> [each for each in ("Patient ID", "customerId", "order_no", "paid", "volcano") if _names_something(each)]
    ['Patient ID', 'customerId', 'order_no']
    """
    return bool(
        re.search(r"(?:(?:^|[^a-z])(?:id|no|nr|number|code|key)|(?-i:[a-z](?:Id|ID|No)))$", name, re.IGNORECASE)
    )


def _number_as_text(column: pd.Series[Any]) -> str:
    """One of its texts where nearly all are amounts or percentages; "" where they are not."""
    texts = column.dropna().astype(str).str.strip()
    amounts = texts.str.fullmatch(r"[-+(]?(?:[$€£]|[A-Z]{3})?\s?[-+]?\d[\d.,' ]*\s?(?:[%$€£)]|[A-Z]{3})?")
    return one_line(str(texts.iloc[0])) if amounts.mean() >= _NEARLY else ""


def word_of(name: str) -> str:
    """A column's name as one word of letters, digits and _, which features and entities need.

    >>> word_of("Außentemp °C"), word_of("2nd visit"), word_of("shop")
    ('Aussentemp_C', 'c_2nd_visit', 'shop')
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("°", "")).encode("ascii", "ignore").decode()
    word = re.sub(r"\W+", "_", plain).strip("_") or "column"
    return word if word[0].isalpha() else f"c_{word}"


def one_line(text: str) -> str:
    """Text of a file that cannot break out of a comment."""
    return " ".join(text.split())
