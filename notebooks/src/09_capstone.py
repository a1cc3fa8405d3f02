# %% [markdown]
# # Can you ship something better?
#
# Find something new that is known about a flight two hours before departure, and bring it through the gate, against the
# model that is in Production.
#
# After this notebook you can
#
# - compute a feature that is honest about when it was known, and prove that it is,
# - tell a feature store about it,
# - measure whether it helps when the model is served, on weeks that you have not looked at,
# - stand before the gate with it, without touching the bar.
#
# The checks judge what your feature *does*, on days that this notebook does not show. You need notebooks 01 to 04, and
# about 85 minutes.
#
# | step | what is judged | points |
# |---|---|---|
# | 09.1 honest | nothing that happens after a moment changes what your rows say was known at that moment | 40 |
# | 09.2 defined | keys, types, time to live, and since when each row was known | 20 |
# | 09.3 served | AUC and Brier score as served in June, within the gate's margin of the champion's | 25 |
# | 09.4 the gate | the whole policy of the course, unchanged, against the champion | 15 |
#
# Stuck? `hint("09.1")` in a cell of your own gives one hint at a time, and after the third asks first.

# %%
from mlops_lab import draw_map

draw_map("09")

# %% [markdown]
# ## The champion
#
# We work with the autumn: September and October to learn from, November for the exam.

# %%
import tempfile

from mlops_lab import FakeClock, datasets, flight_services, flight_store, labelled_flights, parse_utc

home, clock = tempfile.TemporaryDirectory(), FakeClock("2013-12-01")
flights = datasets.load_flights()
store = flight_store(home.name, clock=clock)
decided = labelled_flights(parse_utc("2013-09-01"), clock.now())
exam_from = parse_utc("2013-11-01")
exam = decided[decided["event_timestamp"] >= exam_from]
decided.drop(columns="label_timestamp").head(3)

# %% [markdown]
# These are the [**decisions**](GLOSSARY.md#decisions), and whether the flight was late. A feature can be about anything
# that has a column here: the flight, the airport of origin, the destination, the carrier, the aircraft.
#
# One function examines a feature service: it trains, measures offline and as served, and registers the version.

# %%
from mlops_lab import Measured, Registry, Tracker, profile, train

tracker, registry = Tracker(home.name, clock=clock), Registry(home.name, clock=clock)


def examine(service, author, champion=None):
    known = store.get_historical_features(decided, features=service)
    served = store.replay(exam, features=service)
    run = train(known, tracker, label="late", split_at=exam_from, served=served, slice_by="origin", author=author)
    for kind in ("offline", "served"):
        print(f"{kind:<8} AUC {run.metrics[f'{kind}.roc_auc']:.3f}  Brier {run.metrics[f'{kind}.brier']:.4f}")
    data = profile(known.frame, clock.now())
    return registry.register_model(run, "late_flights"), Measured(run.metrics, champion, data)


champion, champion_measured = examine("as_known", "ada")

# %% [markdown]
# 0.712 is the figure to beat: the AUC as served, in November. It has to pass the gate first.

# %%
from mlops_lab import FLIGHTS_POLICY, evaluate_gates

report = evaluate_gates(champion, None, FLIGHTS_POLICY, measured=champion_measured, at=clock.now())
if registry.get_production("late_flights") is None:  # the first to serve; whoever comes later has a champion to beat
    print(registry.promote(report, actor="ada", why="the features as they were known"))
print(f"{len(report.results)} rules, {len(report.failures)} failures")

# %% [markdown]
# What does the champion see? These are its views:

# %%
champion_views = list(flight_services()["as_known"].features)
for view in champion_views:
    print(f"{view.name:<19} by {', '.join(view.join_keys):<16} {view.description}")

# %% [markdown]
# ## An idea that goes wrong
#
# Nothing in it is about the destination. So: how late were the flights to each destination, day by day?


# %%
from mlops_lab import predict

predict("09.p1")


# %%
def destination_days(flights):
    day = flights["sched_dep"].dt.floor("D")
    late_by = flights.groupby(["dest", day])["arr_delay"].mean()
    return late_by.rename("dest_day_delay").reset_index().rename(columns={"sched_dep": "event_timestamp"})


destination_days(flights).round({"dest_day_delay": 1}).head(3)

# %%
from datetime import timedelta

from mlops_lab import Entity, FeatureService, FeatureView, Field, Source

destination = Entity("destination", join_keys=["dest"])
day_view = FeatureView(
    "destination_day",
    entities=[destination],
    schema=[Field("dest_day_delay", "float64")],
    ttl=timedelta(days=1),
    source=Source("destination_days", lambda: destination_days(flights)),
)
day_service = FeatureService("with_destination_day", [*champion_views, day_view])
store.apply([day_view, day_service])
tempting, tempting_measured = examine(day_service, "bob", champion_measured.metrics)

# %% [markdown]
# A leap. It must be a leak, as in notebook 00, and the gate will find it. Which rule says no?

# %%
predict("09.p2")

# %%
report = evaluate_gates(tempting, champion, FLIGHTS_POLICY, measured=tempting_measured, at=clock.now())
report

# %% [markdown]
# None, not even `served_skew`. The two AUCs above are equal. `replay` needs to be told when each row
# arrived, and our source has no such column. So the store takes a row as known from the moment it describes: the day's
# first minute.
#
# **The gate can only be as honest as the timestamps it is given.** No rule can check that for you.

# %% [markdown]
# ## How to find out yourself
#
# One test needs no trust in any column. Take a moment, change everything that happens *after* it, and compute the rows
# again. What was known at that moment cannot have changed.

# %%
predict("09.p3")

# %%
noon = parse_utc("2013-11-14T17:00:00Z")  # noon in New York
changed = flights.assign(arr_delay=flights["arr_delay"].mask(flights["arr_at"] > noon, 300.0))
for name, some in (("as it was", flights), ("other afternoon", changed)):
    rows = destination_days(some)
    row = rows[(rows["dest"] == "ORD") & (rows["event_timestamp"] == parse_utc("2013-11-14"))]
    print(f"{name:<16} Chicago, 14 November: {row['dest_day_delay'].item():6.1f} minutes")

# %% [markdown]
# At noon the store would have shown this row, with the afternoon in it. The row was known when the day was over. The
# column `landed_timestamp` says so: six hours after midnight.


# %%
def landed_days(flights):
    rows = destination_days(flights)
    return rows.assign(landed_timestamp=rows["event_timestamp"] + timedelta(hours=30))


landed_view = FeatureView(
    "destination_day_landed",
    entities=[destination],
    schema=[Field("dest_day_delay", "float64")],
    ttl=timedelta(days=1),
    source=Source("landed_days", lambda: landed_days(flights), landed_column="landed_timestamp"),
)
landed_service = FeatureService("with_landed_day", [*champion_views, landed_view])
store.apply([landed_view, landed_service])
truthful, truthful_measured = examine(landed_service, "bob", champion_measured.metrics)

# %%
predict("09.p4")

# %%
report = evaluate_gates(truthful, champion, FLIGHTS_POLICY, measured=truthful_measured, at=clock.now())
print(*(result.sentence for result in report.failures), sep="\n")

# %% [markdown]
# One more column, and four rules say no: as served it would have had 0.687. `landed_column` tells the truth about a
# view that trains wrongly. With `created_timestamp_column` a view cannot train wrongly, because the training join does
# not see a row before it was known. That is what you do now.
#
# ## 09.1 Something honest (build)
#
# Write `my_rows(flights)`. It takes flights as `load_flights` gives them and returns a frame with
#
# - a key: at least one of `flight_id`, `origin`, `dest`, `carrier`, `tailnum`, with the values of the decisions,
# - `event_timestamp`: the moment from which a row is true,
# - `created_timestamp`: the moment from which it could be known (the course allows an operations feed five minutes),
# - one feature or more, under names of your own.
#
# What happens when? `sched_dep` and `sched_arr` are known long before. `dep_at` and `dep_delay` are known when the
# flight leaves, `arr_at`, `arr_delay` and `air_time` when it arrives. That a flight was cancelled is known for sure
# only when it should have arrived and has not. Every moment of a rolling mean must look back.
#
# The check changes the future of a week in March, at every hour of the day, and looks whether your past moves.

# %%
import pandas as pd

from mlops_lab import check


def my_rows(flights):
    """A frame with your key, event_timestamp, created_timestamp and at least one feature."""
    ...


check("09.1", my_rows)

# %% [markdown]
# ## 09.2 A view (build)
#
# Define a `FeatureView` over `my_rows(flights)`: entity, types, `ttl`, and the column that says when a row was known.

# %%
from mlops_lab import check

my_view = ...
check("09.2", my_view)

# %% [markdown]
# ## 09.3 A service (build)
#
# Put the champion's views and yours into a `FeatureService`. The check trains on a month of May and June, and
# examines on the last two weeks of June, for the champion's features and for yours. This takes some seconds.

# %%
from mlops_lab import check

my_service = ...
check("09.3", my_service)

# %% [markdown]
# What does it do in November? Until there is a service of yours, the next cell uses the champion's.

# %%
mine = "as_known" if my_service is ... else my_service
if my_service is not ...:
    store.apply([my_view, my_service])
candidate, measured = examine(mine, "you", champion_measured.metrics)

# %%
from mlops_lab import plot_bars

figures = {
    "champion": champion_measured,
    "bob, as measured first": tempting_measured,
    "bob, with landing times": truthful_measured,
}
plot_bars(
    "AUC in November, as served",
    {name: round(one.metrics["served.roc_auc"], 3) for name, one in (figures | {"candidate": measured}).items()},
    "AUC",
    decimals=3,
)

# %% [markdown]
# The third bar is what passengers would have got from Bob's view. In the stored notebook the candidate equals the
# champion. Yours will differ by thousandths; a gain of a tenth is a reason to go back to 09.1.

# %%
from mlops_lab import quiz

quiz("09.q1")

# %% [markdown]
# ## 09.4 The gate (build)
#
# Judge your candidate by `FLIGHTS_POLICY`, against the champion. You have seen the call above.

# %%
from mlops_lab import check

my_report = ...
check("09.4", my_report)

# %%
if my_report is ...:
    print("no report yet:", registry.get_production("late_flights"))
else:
    print(registry.promote(my_report, actor="you", why="something new, known in time"))

# %% [markdown]
# With a passed report this promotes your version. What comes next is notebook 07: five percent, and watch.
#
# ## What an expert would still ask
#
# Write three sentences for a colleague who reads your change:
#
# 1. What does the feature say, about whom, and since when is it known?
# 2. How much does it bring, in which weeks, and where does it bring nothing?
# 3. What happens to the model when your source is late, or empty?
#
# For comparison: the solution behind the hints gains less than a hundredth of AUC in November.
#
# ## What you can do now
#
# You have found something new, proved that it does not know the future, defined it, measured it as served and brought
# it before the gate. `progress()` from `mlops_lab` shows what you have done in the whole course.
#
# **The same in real tools.** A new view and service are a pull request with a Python file and `feast apply` in
# [Feast](https://docs.feast.dev/getting-started/concepts/feature-view). The candidate is a model version with the
# alias `challenger` in [MLflow](https://mlflow.org/docs/latest/ml/model-registry/). The test that plants another
# future is ordinary [pytest](https://docs.pytest.org/), and belongs into the workflow of notebook 06.
