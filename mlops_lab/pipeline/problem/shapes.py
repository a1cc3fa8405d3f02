"""Two shapes that features of one's own rows take: the mean of what was known by then, and the everyday leak."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def past_means(rows: pd.DataFrame, by: str, value: str, *, last: int = 50) -> pd.DataFrame:
    """The mean of the last outcomes of each `by`, from the moment on at which each outcome was known.

    Args:
        rows: decisions with `by`, `value`, `event_timestamp` and, where outcomes arrive late, `label_timestamp`.
        by: the column that says whose they are.
        value: the column of outcomes, numbers or True and False.
        last: over how many.

    Returns:
        One row an outcome: `by`, `{by}_past` (the mean), `{by}_past_count`, `event_timestamp` and `created_timestamp`.

    >>> import pandas as pd
    >>> times = pd.to_datetime(["2024-01-01T09:00Z", "2024-01-02T09:00Z"])
    >>> rows = pd.DataFrame({"shop": ["a", "a"], "late": [True, False], "event_timestamp": times})
    >>> past_means(rows, "shop", "late")["shop_past"].tolist()
    [1.0, 0.5]
    """
    known_at = rows["label_timestamp"] if "label_timestamp" in rows.columns else rows["event_timestamp"]
    known = rows[[by]].assign(value=rows[value].astype("float64"), event_timestamp=known_at).dropna()
    known = known.sort_values("event_timestamp", kind="stable").reset_index(drop=True)
    rolled = known.groupby(by, observed=True)["value"].rolling(last, min_periods=1)
    found = {f"{by}_past": rolled.mean(), f"{by}_past_count": rolled.count()}
    means = {name: each.reset_index(level=0, drop=True).sort_index() for name, each in found.items()}
    return known[[by, "event_timestamp"]].assign(**means, created_timestamp=known["event_timestamp"])


def same_day_means(rows: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """The mean outcome of each `by` on each date, from the date's first minute on: what nobody knows until it is over.

    Returns:
        One row for each `by` and date: `by`, `{by}_day`, `event_timestamp` (its midnight in UTC) and `landed_timestamp`
        (when the last of its outcomes was known).

    >>> import pandas as pd
    >>> times = pd.to_datetime(["2024-01-01T09:00Z", "2024-01-01T17:00Z"])
    >>> rows = pd.DataFrame({"shop": ["a", "a"], "late": [True, False], "event_timestamp": times})
    >>> same_day_means(rows, "shop", "late")["shop_day"].tolist()
    [0.5]
    """
    known_at = rows["label_timestamp"] if "label_timestamp" in rows.columns else rows["event_timestamp"]
    known = rows[[by]].assign(value=rows[value].astype("float64"), day=rows["event_timestamp"].dt.floor("D"))
    known = known.assign(landed_timestamp=known_at).dropna()
    days = known.groupby([by, "day"], observed=True).agg({"value": "mean", "landed_timestamp": "max"}).reset_index()
    return days.rename(columns={"day": "event_timestamp", "value": f"{by}_day"})
