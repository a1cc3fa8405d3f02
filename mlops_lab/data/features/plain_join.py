"""The point-in-time join in its plain form, on pandas alone: what the fast join has to equal.

A row counts from the moment at which it became known: when it had both happened and been written. In that order, only a
row that is newer than all before it is ever the newest known, so the others go; what remains is an ordinary as-of join.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def plain_join(
    entity_df: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    keys: Sequence[str],
    features: Sequence[str],
    event: str = "event_timestamp",
    created: str | None = None,
    ttl: timedelta | None = None,
) -> pd.DataFrame:
    """The features that were known of each entity row at its `event_timestamp`, as `get_historical_features` says.

    >>> import pandas as pd
    >>> hours = pd.date_range("2013-01-01", periods=4, freq="h", tz="UTC")
    >>> rows = pd.DataFrame({"event_timestamp": hours[:2], "created": [hours[0], hours[3]], "wind": [3.5, 9.0]})
    >>> asked = pd.DataFrame({"event_timestamp": hours[2:]})
    >>> plain_join(asked, rows, keys=[], features=["wind"], created="created")["wind"].tolist()
    [3.5, 9.0]
    """
    import pandas as pd

    rows = rows.reset_index(drop=True)
    known = rows[[*keys, *features]].assign(_event=rows[event], _created=rows[created or event], _place=rows.index)
    known = known.dropna(subset=list(keys))
    known["_known"] = known[["_event", "_created"]].max(axis=1)
    known["_rank"] = known.sort_values(["_event", "_created", "_place"]).assign(_rank=range(len(known)))["_rank"]
    known = known.sort_values(["_known", "_rank"])
    newest = known.groupby(list(keys))["_rank"].cummax() if keys else known["_rank"].cummax()
    known = known[known["_rank"] == newest]

    asked = entity_df[list(keys)].assign(_at=entity_df["event_timestamp"], _row=range(len(entity_df)))
    asked = asked.dropna(subset=list(keys)).sort_values("_at", kind="stable")
    found = pd.merge_asof(asked, known, left_on="_at", right_on="_known", by=list(keys) or None)
    if ttl is not None:
        found = found[found["_at"] - found["_event"] <= ttl]
    return found.set_index("_row")[list(features)].reindex(range(len(entity_df)))
