"""Made-up shops: honest tables with a real signal, and each kind of leak planted into one."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from mlops_lab.data.features import Entity, FeatureService, FeatureView, Field, Source
from mlops_lab.models.gates import Floor, GatePolicy, ServedSkew
from mlops_lab.pipeline.problem import Problem

ORDER, SHOP = Entity("order", join_keys=["order_id"]), Entity("shop", join_keys=["shop"])
DAY = pd.Timedelta(days=1)
CREATED = {"created_timestamp_column": "created"}


class Made:
    """Orders of thirty shops over ninety days: will one be returned (or how much is returned)?"""

    def __init__(self, seed: int = 0, *, rows: int = 3000, kind: str = "classification") -> None:
        self.chance = chance = np.random.default_rng(seed)
        self.kind, start = kind, pd.Timestamp("2024-01-01", tz="UTC")
        at = start + pd.to_timedelta(np.sort(chance.uniform(0.3, 89.9, rows)), unit="D")
        shop = chance.integers(0, 30, rows)
        self.quality, amount = chance.normal(0, 0.7, 30), chance.gamma(2, 20, rows)
        day = ((at - start) // DAY).to_numpy()
        self.mood = chance.normal(0, 0.8, 92)
        score = 0.9 * (np.log(amount) - 3.3) + self.quality[shop] + self.mood[day]
        happened = chance.random(rows) < 1 / (1 + np.exp(1.2 - score))
        if kind == "regression":
            happened = score * 10 + chance.normal(0, 8, rows)
        self.rows = pd.DataFrame(
            {
                "order_id": [f"o{i}" for i in range(rows)],
                "shop": [f"s{i}" for i in shop],
                "event_timestamp": at,
                "returned": happened,
                "label_timestamp": at + DAY * 5,
            }
        )
        self.amount = self.order("order", amount=amount, channel=chance.choice(["web", "app", "shop"], rows))
        self.views = [self.amount, self.shops(), self.days()]

    def order(self, name: str, **columns: object) -> FeatureView:
        """Facts of an order, known when it is made."""
        frame = self.rows[["order_id", "event_timestamp"]].assign(created=self.rows["event_timestamp"], **columns)
        return self.view(name, ORDER, frame, [*columns], **CREATED)

    def shops(self) -> FeatureView:
        """What is known of a shop from the beginning; honest, and good."""
        first = pd.Timestamp("2023-12-01", tz="UTC")
        frame = pd.DataFrame({"shop": [f"s{i}" for i in range(30)], "event_timestamp": first, "created": first})
        frame["rating"] = np.round(self.quality + self.chance.normal(0, 0.4, 30), 2)
        return self.view("shop", SHOP, frame, ["rating"], **CREATED)

    def days(self, name: str = "day", *, says_when: bool = True) -> FeatureView:
        """The share of returned orders by shop and date, complete when the date is over."""
        rows = self.rows.assign(date=self.rows["event_timestamp"].dt.floor("D"), value=self.rows["returned"] * 1.0)
        daily = rows.groupby(["shop", "date"], observed=True)["value"].agg(["mean", "size"]).reset_index()
        frame = daily.set_axis(["shop", "event_timestamp", f"{name}_mean", f"{name}_orders"], axis=1)
        frame = frame.assign(created=frame["event_timestamp"] + DAY * (6 if says_when else 0))
        return self.view(name, SHOP, frame, [f"{name}_mean", f"{name}_orders"], **(CREATED if says_when else {}))

    def view(self, name: str, entity: Entity, frame: pd.DataFrame, features: list[str], **columns: str) -> FeatureView:
        kinds = {"i": "int64", "f": "float64", "b": "bool"}
        schema = [Field(one, kinds.get(frame[one].dtype.kind, "string")) for one in features]
        source = Source(name, frame, **columns)
        return FeatureView(name, entities=[entity], schema=schema, ttl=timedelta(days=400), source=source)

    def problem(self, *more: FeatureView, rows: pd.DataFrame | None = None) -> Problem:
        views = [*self.views, *more]
        return Problem(
            name="returns",
            question="Will this order be returned?",
            definitions=[ORDER, SHOP, *views, FeatureService("all", views)],
            decisions=self.rows if rows is None else rows,
            label="returned",
            key="order_id",
            kind=self.kind,
            holdout_days=25,
            policy=GatePolicy(
                [Floor("served.roc_auc", 0.6), ServedSkew("roc_auc", 0.03)]
                if self.kind == "classification"
                else [Floor("served.r2", 0.0), ServedSkew("mae", 1.0)]
            ),
        )


def copied(made: Made) -> Problem:
    return made.problem(made.order("refund", refund=made.rows["returned"] * 7.5))


def proxy(made: Made) -> Problem:
    late = made.rows["returned"].to_numpy("float64")
    late = late > np.median(late) if made.kind == "regression" else late > 0
    wrong = made.chance.random(len(late)) < 0.02
    value = (
        late ^ wrong if made.kind == "classification" else made.rows["returned"] + made.chance.normal(0, 0.5, len(late))
    )
    words = np.where(value, "closed: refunded", "closed") if made.kind == "classification" else value
    return made.problem(made.order("ticket", status=words))


def null_knows(made: Made) -> Problem:
    high = made.rows["returned"] > made.rows["returned"].astype("float64").quantile(0.5)
    stars = pd.Series(made.chance.uniform(1, 5, len(high))).where(~high.to_numpy())
    return made.problem(made.order("review", stars=stars.to_numpy()))


def label_mean(made: Made) -> Problem:
    mean = made.rows["returned"].astype("float64").groupby(made.rows["shop"]).mean()
    first = pd.Timestamp("2023-12-01", tz="UTC")
    frame = pd.DataFrame({"shop": mean.index, "event_timestamp": first, "created": first, "shop_rate": mean.to_numpy()})
    return made.problem(made.view("encoded", SHOP, frame, ["shop_rate"], **CREATED))


def joined_on_date(made: Made) -> Problem:
    return made.problem(made.days("sameday", says_when=False))


def joined_on_week(made: Made) -> Problem:
    return made.problem(by_the_clock(made, made.rows["event_timestamp"].dt.floor("7D"), ["shop"]))


def joined_on_hour(made: Made) -> Problem:
    hours = made.rows["event_timestamp"].dt.floor("h")
    return made.problem(by_the_clock(made, hours, ["shop"]))


def by_the_clock(made: Made, begins: pd.Series, keys: list[str]) -> FeatureView:
    """The mean outcome of each period, which counts from its first minute."""
    rows = made.rows.assign(event_timestamp=begins, period_mean=made.rows["returned"].astype("float64"))
    frame = rows.groupby([*keys, "event_timestamp"], observed=True)["period_mean"].mean().reset_index()
    return made.view("period", SHOP, frame, ["period_mean"])


def few_means(made: Made) -> Problem:
    """The mean outcome of each of five regions, too few for a line through them."""
    made.rows["shop"] = "s" + made.rows["shop"].str[-1].where(made.rows["shop"].str[-1] < "5", "5")
    made.views = [made.amount]
    return label_mean(made)


def landed_late(made: Made) -> Problem:
    late = made.order("scan", weight=made.rows["returned"].astype("float64") + made.chance.normal(0, 1, len(made.rows)))
    frame = late.source.read().assign(landed=made.rows["event_timestamp"] + DAY * 3)
    return made.problem(made.view("scan", ORDER, frame.drop(columns="created"), ["weight"], landed_column="landed"))


def backdated(made: Made) -> Problem:
    late = made.order("export", claims=made.chance.poisson(1.0, len(made.rows)) + (made.rows["returned"] > 0))
    frame = late.source.read().assign(landed=made.rows["event_timestamp"] + DAY)
    return made.problem(made.view("export", ORDER, frame, ["claims"], landed_column="landed", **CREATED))


def revised(made: Made) -> Problem:
    first = made.rows[["order_id", "event_timestamp"]].assign(days_open=made.chance.poisson(3, len(made.rows)))
    again = first.assign(days_open=first["days_open"] + 4 * (made.rows["returned"] > 0))
    return made.problem(made.view("case", ORDER, pd.concat([first, again]), ["days_open"]))


def twice(made: Made) -> Problem:
    """A tenth of the rows to be examined on are rows that were learnt from, under another key."""
    rows, amount = made.rows, made.amount.source.read()
    old = made.chance.choice(np.flatnonzero(rows["event_timestamp"] < pd.Timestamp("2024-02-15", tz="UTC")), 120)
    copies = rows.iloc[old].assign(order_id=[f"c{i}" for i in range(120)])
    moved = pd.Timestamp("2024-03-20", tz="UTC") + pd.to_timedelta(np.arange(120), unit="h")
    copies = copies.assign(event_timestamp=moved, label_timestamp=moved + DAY)
    again = amount.iloc[old].assign(order_id=copies["order_id"].to_numpy(), event_timestamp=moved, created=moved)
    made.views = [made.view("order", ORDER, pd.concat([amount, again]), ["amount", "channel"], **CREATED)]
    return made.problem(rows=pd.concat([rows, copies], ignore_index=True))


#: What is planted, the view that is at fault, and what it is called.
PLANTED = {
    "a copy of the label": (copied, "refund", "knows the label"),
    "a status that follows it": (proxy, "ticket", "knows the label"),
    "a gap where it happened": (null_knows, "review", "null knows the label"),
    "a mean of the outcomes": (label_mean, "encoded", "mean of the label"),
    "a date's own average": (joined_on_date, "sameday", "joined on the date"),
    "a week's own average": (joined_on_week, "period", "joined on the date"),
    "an hour's own average": (joined_on_hour, "period", "joined on the date"),
    "a mean of the outcomes of few": (few_means, "encoded", "mean of the label"),
    "rows that land late": (landed_late, "scan", "landed late"),
    "a backdated export": (backdated, "export", "landed late"),
    "values that are revised": (revised, "case", "revised"),
    "rows on both sides": (twice, "", "twice"),
}
