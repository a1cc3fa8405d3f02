"""Which rows does the body of a request hold?

Read are the forms that the field sends: `instances` (Vertex AI, TensorFlow Serving), `dataframe_records`,
`dataframe_split` and `inputs` (MLflow), a bare list of rows, one row alone, and CSV with or without its header
(SageMaker). KServe's tensors are read in `tensors`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from mlops_lab.base.errors import closest
from mlops_lab.delivery.server.refusal import Refusal

__all__ = ["ABSENT", "ROWS", "Table", "check_rows", "parse_json", "table_of_csv", "table_of_json", "table_of_rows"]

#: Values by column, all columns equally long; `ABSENT` where a row has no such column.
Table = dict[str, list[Any]]

#: The most rows of one request, where nothing else is said.
ROWS = 1000
_HINTS = 20  # names that are compared with what was probably meant
_FORMS = ("instances", "dataframe_records", "dataframe_split", "inputs")


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


def parse_json(body: bytes) -> Any:
    """The value of a JSON body.

    Raises:
        Refusal: it is no JSON, or nested too deeply.

    >>> parse_json(b'{"instances": [1')
    Traceback (most recent call last):
    mlops_lab.delivery.server.refusal.Refusal: the body is not JSON: Expecting ',' delimiter (line 1, column 17).
    """
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        told = f"{error.msg} (line {error.lineno}, column {error.colno})"
        raise Refusal(400, "MalformedBody", f"the body is not JSON: {told}.") from None
    except UnicodeDecodeError:
        raise Refusal(400, "MalformedBody", "the body is not text in UTF-8.") from None
    except (RecursionError, ValueError):
        raise Refusal(400, "MalformedBody", "the body is nested too deeply, or holds a number too long.") from None


def table_of_json(value: Any, features: Sequence[str], known: Collection[str], *, limit: int = ROWS) -> Table:
    """The rows of a JSON value, by column.

    Args:
        value: what `parse_json` gave.
        features: the model's features, in order: lists without names are taken in this order.
        known: every name that may be a column; one row alone is recognised by them.
        limit: the most rows.

    Raises:
        Refusal: it holds no rows, or rows that contradict each other.

    >>> table_of_json({"instances": [{"hour": 6}, {"hour": 7}]}, ["hour"], ["hour"])
    {'hour': [6, 7]}
    >>> table_of_json({"dataframe_split": {"columns": ["hour"], "data": [[6], [7]]}}, ["hour"], ["hour"])
    {'hour': [6, 7]}
    """
    if isinstance(value, list):
        return table_of_rows(value, features, known, limit=limit)
    if not isinstance(value, dict):
        raise Refusal(422, "NoRows", f"the body is a JSON {_kind(value)}; send {_wanted()}.")
    form = next((form for form in _FORMS if form in value), None)
    if form is None:
        if any(name in known for name in value):
            return table_of_rows([value], features, known)
        meant = next((near for name in islice(value, _HINTS) if (near := closest(str(name), _FORMS))), None)
        hint = f" Did you mean {meant!r}?" if meant else ""
        raise Refusal(422, "NoRows", f"the body holds no rows; send {_wanted()}.{hint}")
    if form == "dataframe_split":
        return _table_of_split(value[form], limit)
    if form == "inputs" and isinstance(value[form], dict):
        return _table_of_columns(value[form])
    return table_of_rows(value[form], features, known, limit=limit)


def table_of_rows(rows: Any, features: Sequence[str], known: Collection[str], *, limit: int = ROWS) -> Table:
    """Rows (objects by name, or lists in the order of the features) by column.

    Of the columns that are not known only a few are kept, for a hint: a row may name thousands.

    >>> table_of_rows([{"hour": 6, "day": 1}, {"hour": 7}], ["hour"], ["hour", "day"])
    {'hour': [6, 7], 'day': [1, ABSENT]}
    """
    if not isinstance(rows, list):
        raise Refusal(422, "NoRows", f"the rows are a JSON {_kind(rows)}; send a list of them.")
    if not rows:
        raise Refusal(422, "NoRows", "the list of rows is empty.")
    check_rows(len(rows), limit)
    if isinstance(rows[0], dict):
        names: dict[str, None] = {}
        others: dict[str, None] = {}
        for at, row in enumerate(rows):
            if not isinstance(row, dict):
                raise Refusal(422, "WrongType", f"row {at} is a JSON {_kind(row)}, and the rows before are objects.")
            if row.keys() - names.keys():
                names |= dict.fromkeys(name for name in row if name in known)
                if len(others) < _HINTS:
                    others |= dict.fromkeys(islice((name for name in row if name not in known), _HINTS))
        return {name: [row.get(name, ABSENT) for row in rows] for name in (*names, *others)}
    lists = rows if isinstance(rows[0], list) else [[one] for one in rows]
    return _table_of_lists(lists, list(features), "the model has")


def table_of_csv(
    body: bytes, features: Sequence[str], known: Collection[str], *, header: bool | None = None, limit: int = ROWS
) -> Table:
    r"""The rows of a CSV body, by column; an empty cell is a null.

    Args:
        body: the text, in UTF-8.
        features: the model's features, in order, for a body without a header.
        known: every name that may be a column; a first line made of them is a header.
        header: is the first line one? None to find out.
        limit: the most rows.

    Raises:
        Refusal: it is no CSV, or its lines are of different lengths.

    >>> table_of_csv(b"6,UA\r\n7,AA\r\n", ["hour", "airline"], ["hour", "airline"])
    {'hour': ['6', '7'], 'airline': ['UA', 'AA']}
    >>> table_of_csv(b"airline,hour\nUA,6\n", ["hour", "airline"], ["hour", "airline"])
    {'airline': ['UA'], 'hour': ['6']}
    """
    try:
        found = csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        lines = list(islice((line for line in found if line), limit + 2))
    except UnicodeDecodeError:
        raise Refusal(400, "MalformedBody", "the body is not text in UTF-8.") from None
    except csv.Error as error:
        raise Refusal(400, "MalformedBody", f"the body is not CSV: {error}.") from None
    named = header if header is not None else bool(lines) and any(cell.strip() in known for cell in lines[0])
    names = [cell.strip() for cell in lines[0]] if named and lines else list(features)
    lines = lines[1:] if named else lines
    if not lines:
        raise Refusal(422, "NoRows", "the body has no rows.")
    check_rows(len(lines), limit)
    cells = [[None if cell == "" else cell for cell in line] for line in lines]
    return _table_of_lists(cells, names, "the header has" if named else "the model has")


def check_rows(rows: int, limit: int) -> None:
    """Bound the rows before anything is done with them.

    Raises:
        Refusal: 413, there are more than `limit`.
    """
    if rows > limit:
        raise Refusal(413, "TooManyRows", f"{rows:,} rows or more are above the {limit:,} of one request.")


def _table_of_split(value: Any, limit: int) -> Table:
    if not isinstance(value, dict) or not isinstance(value.get("columns"), list):
        raise Refusal(422, "NoRows", 'dataframe_split is {"columns": [...], "data": [[...], ...]}.')
    data = value.get("data")
    if not isinstance(data, list) or not data:
        raise Refusal(422, "NoRows", "dataframe_split has no rows in `data`.")
    check_rows(len(data), limit)
    return _table_of_lists(data, [str(name) for name in value["columns"]], "`columns` has")


def _table_of_columns(value: Mapping[str, Any]) -> Table:
    columns = {name: one if isinstance(one, list) else [one] for name, one in value.items()}
    lengths = {len(one) for one in columns.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise Refusal(422, "NoRows", "the columns of `inputs` must be lists of one length, and not empty.")
    return columns


def _table_of_lists(rows: Sequence[Any], names: Sequence[str], whose: str) -> Table:
    if len(set(names)) != len(names):
        double = Counter(names).most_common(1)[0][0]
        raise Refusal(422, "DuplicateColumn", f"column {double!r} is there twice.")
    for at, row in enumerate(rows):
        if not isinstance(row, list):
            raise Refusal(422, "WrongType", f"row {at} is a JSON {_kind(row)}, and not a list.")
        if len(row) != len(names):
            raise Refusal(422, "WrongShape", f"row {at} has {len(row)} values; {whose} {len(names)} columns.")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")


def _wanted() -> str:
    return '{"instances": [{...}, ...]} with the features, or with the keys of each row'
