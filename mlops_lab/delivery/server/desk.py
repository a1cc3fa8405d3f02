"""What happens between the bytes of a request and its answer?

No network here: the desk is handed a body and its type and gives back scores, or a `Refusal`.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from mlops_lab.delivery.server.bodies import Table, check_rows, parse_json, table_of_csv, table_of_json, table_of_rows
from mlops_lab.delivery.server.columns import columns_for
from mlops_lab.delivery.server.limits import Limits
from mlops_lab.delivery.server.lookup import Lookup
from mlops_lab.delivery.server.model import ServedModel
from mlops_lab.delivery.server.refusal import Refusal
from mlops_lab.delivery.server.scorer import Columns
from mlops_lab.delivery.server.tensors import table_of_tensors

__all__ = ["Desk"]


class Desk:
    """One model and, where it has one, the online store that it reads from.

    A row that has any feature of the model is taken whole, so it must have all; a row of keys is completed from the
    online store.

    >>> import numpy as np
    >>> model = ServedModel("late", 2, "sha256:0", "", {"hour": "number"}, lambda c: np.asarray(c["hour"]) / 24)
    >>> desk = Desk(model)
    >>> table = desk.table(b'{"instances": [{"hour": 6}]}', "application/json")
    >>> desk.needs_lookup(table), desk.scores(table)
    (False, [0.25])
    """

    def __init__(self, model: ServedModel, *, lookup: Lookup | None = None, limits: Limits | None = None) -> None:
        self.model = model
        self.lookup = lookup
        self.limits = Limits() if limits is None else limits
        self._features = list(model.kinds)
        self._known = {*self._features, *(lookup.keys if lookup else ())}

    def table(self, body: bytes, kind: str) -> Table:
        """The rows of a body whose media type is `kind`.

        Raises:
            Refusal: 400, 413, 415 or 422, see there.
        """
        media, _, parameters = kind.partition(";")
        media = media.strip().lower()
        if media in ("text/csv", "application/csv"):
            header = {"header=present": True, "header=absent": False}.get(parameters.strip().lower())
            return self._counted(table_of_csv(body, self._features, self._known, header=header, limit=self.limits.rows))
        if media in ("application/json", ""):
            return self._counted(table_of_json(parse_json(body), self._features, self._known, limit=self.limits.rows))
        if media in ("application/jsonlines", "application/x-ndjson"):
            found = ((at, line) for at, line in enumerate(body.splitlines(), 1) if line.strip())
            lines = list(islice(found, self.limits.rows + 1))
            check_rows(len(lines), self.limits.rows)
            rows = [_parsed_line(at, line) for at, line in lines]
            return self._counted(table_of_rows(rows, self._features, self._known, limit=self.limits.rows))
        spoken = "application/json, application/jsonlines or text/csv"
        raise Refusal(415, "UnsupportedType", f"{media!r:.80} is not read here; send {spoken}.")

    def tensors(self, body: bytes) -> tuple[Table, dict[str, Any]]:
        """The rows of a V2 request, and the request."""
        request = parse_json(body)
        return self._counted(table_of_tensors(request, self._features)), request

    def needs_lookup(self, table: Table) -> bool:
        """Are these keys, to be completed from the online store?

        Raises:
            Refusal: they are neither keys nor features.
        """
        if any(name in table for name in self._features):
            return False
        if self.lookup is None:
            columns_for(table, self.model.kinds)  # says what is missing
            raise Refusal(422, "MissingColumn", "this model has no features to look up; send whole rows.")
        return True

    def scores(self, table: Table, *, as_text: bool = False) -> list[float]:
        """The probability of yes for every row.

        Raises:
            Refusal: the rows are not what the model needs.
        """
        return self.model.predict(self._columns(table, as_text=as_text))

    def _columns(self, table: Table, *, as_text: bool) -> Columns:
        if self.needs_lookup(table):
            assert self.lookup is not None  # noqa: S101  needs_lookup said so
            return columns_for(self.lookup.features(table), self.model.kinds)
        return columns_for(table, self.model.kinds, as_text=as_text)

    def _counted(self, table: Table) -> Table:
        rows = len(next(iter(table.values()), []))
        check_rows(rows, self.limits.rows)
        if not rows:
            raise Refusal(422, "NoRows", "the request has no rows.")
        return table


def _parsed_line(at: int, line: bytes) -> Any:
    try:
        return parse_json(line)
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.kind, f"line {at}: {str(refusal).replace('line 1, ', '')}") from None
