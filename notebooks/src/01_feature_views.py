# %% [markdown]
# # What was known, and when?
#
# A model learns from the past: as we know it today, or as it was known on the day? The difference is small in the code
# and large for the passengers.
#
# After this notebook you can
#
# - repair the join that everybody writes first, and show with two numbers why it was wrong,
# - say of any row of any table whether it was known at a given moment,
# - define an entity, a source and a feature view, and let a feature store do the join,
# - serve the same features online, and prove that they are the same,
# - say why a key can leak, too.
#
# You need notebook 00, and about 85 minutes.

# %%
from mlops_lab import draw_map

draw_map("01")

# %% [markdown]
# ## A question has a moment
#
# Two hours before each flight somebody decides whether to rebook its passengers. We take June and July.

# %%
from mlops_lab import datasets

flights = datasets.load_flights(month=[6, 7])
decisions = datasets.decisions(flights)
decisions.head(3)

# %% [markdown]
# Each row is one decision: *which* flight (`flight_id`, and by whom, from where, with which aircraft), and *when* we
# decide: `event_timestamp`, in UTC. Such a table is called an [**entity frame**](GLOSSARY.md#entity-frame). We add
# whether the flight was `late`, when that was known (`label_timestamp`), and the hour on New York's clocks at which it
# was due to leave (`leaves_at`).

# %%
answers = datasets.outcomes(flights)
local = flights["sched_dep"].dt.tz_convert("America/New_York")
asked = decisions.assign(
    late=answers["late"], label_timestamp=answers["event_timestamp"], leaves_at=local.dt.hour.astype("int64")
)
print(f"{len(asked):,} decisions; {asked['late'].mean():.1%} of the flights were late or never arrived")

# %% [markdown]
# ## The wrong way, first
#
# Somebody in every company keeps a daily table. Ours has one row for each route and date: how many flights there were,
# their mean delay, the share that were late.

# %%
daily = datasets.daily_route(flights)
daily[["origin", "dest", "event_timestamp", "route_day_flights", "route_day_late_share"]].head(3)

# %% [markdown]
# `04:00` UTC is midnight in New York, the moment at which the row's date begins. So we join it to each flight **on the
# date**.

# %%
from mlops_lab import predict

predict("01.p1")

# %%
date = local.dt.normalize().dt.tz_convert("UTC")
table = daily.rename(columns={"event_timestamp": "date"})
naive = asked.assign(date=date).merge(table, on=["date", "origin", "dest"], how="left")
print(f"{len(asked):,} decisions, {len(naive):,} joined rows")
shown = ["flight_id", "date", "leaves_at", "route_day_late_share", "late"]
naive[shown].head(3).round({"route_day_late_share": 2})

# %% [markdown]
# One line of pandas: each decision finds the one row of its route and date, and all looks well. Now a model that learns
# from June and is examined on July; `split_at` is the moment between the two. Its score is the AUC: how often it ranks
# a late flight above a punctual one. 0.5 is a coin, 1 is perfect. To have something to compare with, the first model
# knows nothing but the hour. (`train` and its `Tracker` are the subject of the next notebook.)

# %%
import tempfile

from mlops_lab import FakeClock, Tracker, TrainingSet, parse_utc, train

home = tempfile.TemporaryDirectory()
clock = FakeClock("2013-08-01")
tracker = Tracker(home.name, clock=clock)
july = parse_utc("2013-07-01T04:00Z")
hour_only = TrainingSet(naive, features=("leaves_at",))
hour_run = train(hour_only, tracker, label="late", split_at=july)
print(f"AUC with the hour alone: {hour_run.metrics['offline.roc_auc']:.3f}")

# %%
predict("01.p2")

# %%
columns = [name for name in daily.columns if name.startswith("route_day_")]
with_daily = TrainingSet(naive, features=("leaves_at", *columns))
naive_run = train(with_daily, tracker, label="late", split_at=july)
print(f"AUC with the daily table: {naive_run.metrics['offline.roc_auc']:.3f}")

# %% [markdown]
# From 0.704 to 0.878 with one join. Nothing is wrong with the split: the model never saw July.
#
# When the model is *served*, it is asked two hours before the flight, and it gets the row that is in the warehouse at
# that moment. A [**replay**](GLOSSARY.md#replay) finds out which row that would have been: the newest one that had
# landed. (`FeatureStore` comes further down.)

# %%
predict("01.p3")

# %%
from mlops_lab import FeatureStore, flight_objects

store = FeatureStore(home.name, clock=clock)
store.apply(flight_objects())
in_july = asked[asked["event_timestamp"] >= july]
served = store.replay(in_july, features=[f"daily_route:{name}" for name in columns])
served_run = train(with_daily, tracker, label="late", split_at=july, served=served)

# %%
from mlops_lab import plot_bars

plot_bars(
    "One model, offline and as served",
    {
        "hour alone": hour_run.metrics["offline.roc_auc"],
        "daily table, offline": served_run.metrics["offline.roc_auc"],
        "daily table, served": served_run.metrics["served.roc_auc"],
    },
    "AUC",
    decimals=3,
)

# %% [markdown]
# 0.878 offline, 0.684 as served. The model is now *worse* than the one that only knows the hour (0.704). It has
# learnt to trust a column that says something else when the model is served.

# %% [markdown]
# ## What went wrong
#
# Look at one row of the daily table with the column we ignored, `landed_timestamp`: when the row arrived.

# %%
predict("01.p4")

# %%
to_boston = daily[(daily["origin"] == "JFK") & (daily["dest"] == "BOS")]
one_day = to_boston.set_index("event_timestamp").loc["2013-07-08"]
one_day[["landed_timestamp", "route_day_flights", "route_day_late_share"]].round({"route_day_late_share": 2})

# %% [markdown]
# The row is *stamped* with the midnight at which 8 July begins, and *describes* all of 8 July, evening included. It
# *landed* in the warehouse on the 9th at 08:00 UTC: 28 hours after its own stamp. The join on the date handed it to the
# morning flights of the 8th. That is a **leak**: the training data knows what nobody could have known.
#
# The panel shows these 17 flights on New York's clocks, 4 hours behind UTC. The line with the grip is a decision, and
# nobody knows yet what lies right of it. Below stands the row that an honest join would use (*point-in-time*,
# explained soon).

# %%
from mlops_lab import DailyRowPanel

of_the_day = (decisions["origin"] == "JFK") & (decisions["dest"] == "BOS") & (date == one_day.index[0])
departures = asked[of_the_day].assign(departs=flights["sched_dep"], known_at=answers["event_timestamp"])
DailyRowPanel(departures, to_boston, day=one_day.index[0].to_pydatetime())

# %% [markdown]
# Drag the line, or move it with the arrow keys. The join on the date gives the morning's first flight the row with
# the evening's late flights. Where must the line stand so that the row may be used?
#
# Every row of every table has these two times, whether its columns say so or not:
#
# | time | column | question |
# |---|---|---|
# | event time | `event_timestamp` | of which moment does the row speak? |
# | arrival | `created_timestamp`; in the daily table `landed_timestamp` | since when could we read it? |

# %% [markdown]
# ## One flight, one moment
#
# JetBlue 918 from JFK to Boston was due to leave on 8 July at 20:36 UTC, so we decide at 18:36. These are the hourly
# weather reports around it (in °F and mph). The report of an hour is out when the hour is over.

# %%
flight = asked[asked["flight_id"] == "2013-07-08-B6-918-JFK"].iloc[0]
hourly = datasets.airport_weather()
around = hourly["event_timestamp"].between("2013-07-08T11:00Z", "2013-07-08T19:00Z")
reports = hourly[around & (hourly["origin"] == flight["origin"])]
reports[["event_timestamp", "created_timestamp", "temp", "wind_speed"]].round({"wind_speed": 1})

# %% [markdown]
# A report older than six hours is useless, we say: that limit is called [**ttl**](GLOSSARY.md#ttl), *time to live*.

# %%
predict("01.p5")

# %%
from datetime import timedelta

from mlops_lab import plot_join_timeline

six_hours = timedelta(hours=6)
rows = reports.assign(name=reports["event_timestamp"].dt.strftime("%H:%M")).to_dict("records")
plot_join_timeline(rows, flight["event_timestamp"], six_hours, title="Weather at JFK, seen at 18:36")

# %% [markdown]
# The 17:00 row is used. The 18:00 row was out only at 19:00, those of 11:00 and 12:00 are too old, and the 19:00 row is
# of the future. Now move the decision yourself, and the `ttl`: rows appear, take over, grow old and vanish.

# %%
from mlops_lab import JoinTimelinePanel

JoinTimelinePanel(rows, decision=flight["event_timestamp"].to_pydatetime(), feature="temp", ttl=six_hours)

# %% [markdown]
# At 18:36 the temperature comes from the row of 17:00. Move past 19:00, when the report of 18:00 arrives: it takes
# over.
#
# The departures of the last hours at JFK are counted every 30 minutes and are out five
# minutes later. We let them live for two hours.

# %%
board = datasets.airport_departures(flights)
around = board["event_timestamp"].between("2013-07-08T16:00Z", "2013-07-08T19:00Z")
counts = board[around & (board["origin"] == flight["origin"])]
counted = counts.assign(name=counts["event_timestamp"].dt.strftime("%H:%M")).to_dict("records")
title = "Departures at JFK, seen at 18:36"
plot_join_timeline(counted, flight["event_timestamp"], timedelta(hours=2), title=title)

# %% [markdown]
# Here the 18:30 row is in time, by one minute. That is the whole rule of a [**point-in-time
# join**](GLOSSARY.md#point-in-time-join):
#
# > A row is visible when it has happened, has arrived, and is not older than `ttl`. Of the visible rows, the newest
# > event counts; of equal events, the one that arrived last.

# %% [markdown]
# ## Your turn: read the two columns

# %%
import pandas as pd

weather = pd.DataFrame(
    {
        "event_timestamp": pd.to_datetime(["2013-07-01 08:00", "2013-07-01 09:00", "2013-07-01 10:00"], utc=True),
        "created_timestamp": pd.to_datetime(["2013-07-01 08:20", "2013-07-01 09:50", "2013-07-01 10:05"], utc=True),
        "wind_speed": [8.0, 15.0, 23.0],
    }
)
weather

# %% [markdown]
# **Exercise 01.1.** A flight is decided on at 09:30. Which wind speed may its training row carry? Write the number in
# place of the dots. (Stuck? Put `from mlops_lab import hint; hint("01.1")` into a cell of your own; ask again for the
# next hint.)

# %%
from mlops_lab import check

wind = ...
check("01.1", wind)

# %% [markdown]
# ## Say it once: a feature view
#
# Writing that rule into every notebook and every service by hand is how leaks are born. A [**feature
# store**](GLOSSARY.md#feature-store) lets us say once what a table means, and does the join itself. Four words:
#
# - an [**entity**](GLOSSARY.md#entity): whom the features describe, and by which column we know it (an airport, by
#   `origin`),
# - a [**field**](GLOSSARY.md#field): one feature, its name and type,
# - a [**source**](GLOSSARY.md#source): the rows, and which columns say when,
# - a [**feature view**](GLOSSARY.md#feature-view): the three together, with a `ttl`.
#
# Here is one for the tiny table above. A source takes the column `event_timestamp` for the event time unless told
# otherwise; which column is the arrival has to be said.

# %%
from mlops_lab import Entity, FeatureView, Field, Source

airport = Entity("airport", join_keys=["origin"])
tiny = FeatureView(
    "tiny_weather",
    entities=[airport],
    schema=[Field("wind_speed", "float64")],
    ttl=timedelta(hours=3),
    source=Source("tiny", weather.assign(origin="JFK"), created_timestamp_column="created_timestamp"),
)
toy = FeatureStore(f"{home.name}/toy", clock=clock)
toy.apply(tiny)

# %% [markdown]
# `apply` made the entity and the view known; no row has been read yet. Now we ask, for several airports and moments at
# once. A small helper writes the entity frame.


# %%
predict("01.p6")


# %%
def at(*moments, origin="JFK"):
    """An entity frame: one airport at some moments of 1 July."""
    times = pd.to_datetime([f"2013-07-01T{moment}Z" for moment in moments])
    return pd.DataFrame({"origin": origin, "event_timestamp": times})


toy.get_historical_features(at("08:10", "09:30", "09:50", "10:30"), features=["tiny_weather:wind_speed"]).frame

# %% [markdown]
# At 08:10 the 08:00 report had not arrived: nothing is known, so the value is missing (`NaN`). At 09:30 the late row of
# 09:00 is still on its way. At 09:50 it has just arrived, and that counts.
#
# ### Too old is not known
#
# What comes back when a row grows old?

# %%
predict("01.p7")

# %%
toy.get_historical_features(at("13:00", "13:01"), features=["tiny_weather:wind_speed"]).frame

# %% [markdown]
# A row of exactly three hours still counts; one minute later it does not. Without a `ttl` a row lives for ever, and a
# broken feed goes unnoticed. That happens: the last report in the real weather table is of 30 December, 23:00 UTC.

# %%
last_day = datasets.load_flights(month=12).query("sched_dep >= '2013-12-31T05:00Z'")
eve = store.get_historical_features(datasets.decisions(last_day), features=["airport_weather:temp"]).frame
print(f"{len(eve)} flights on 31 December, {eve['temp'].isna().sum()} without weather")

# %% [markdown]
# Six hours after the last report the store says "unknown" instead of repeating yesterday's temperature all day.
#
# ### A row is corrected
#
# At 08:40 the weather service sends the 08:00 report again: the wind was 9, not 8. Both rows have the same event time.

# %%
predict("01.p8")

# %%
from dataclasses import replace

again = weather.iloc[[0]].assign(created_timestamp=pd.Timestamp("2013-07-01T08:40Z"), wind_speed=9.0)
both = pd.concat([again, weather]).assign(origin="JFK")
source = Source("both", both, created_timestamp_column="created_timestamp")
toy.apply(replace(tiny, name="tiny_corrected", source=source))
toy.get_historical_features(at("08:30", "09:30"), features=["tiny_corrected:wind_speed"]).frame

# %% [markdown]
# At 08:30 the model saw 8, and so must its training row, although today we know better. At 09:30 the correction had
# arrived. The order of the rows in the table plays no part.
#
# ### Strange questions
#
# What does a join do with an airport it has never heard of, and with the same question asked twice?

# %%
predict("01.p9")

# %%
questions = pd.concat([at("10:30"), at("09:30", origin="BOS"), at("09:30", "09:30")])
toy.get_historical_features(questions, features=["tiny_weather:wind_speed"]).frame

# %% [markdown]
# Four questions, four answers, in the order asked, with a missing value where nothing was known. A join that drops such
# rows quietly turns the training data into the easy cases.
#
# **Exercise 01.2.** Write that join yourself for one flight. `rows` is a list of dictionaries with `event`, `created`
# (both in minutes since midnight) and `wind`; `at` and `ttl` are minutes too.


# %%
from mlops_lab import check


def latest(rows, at, ttl):
    """The wind of the row to use at minute `at`, or None; each row has event, created and wind."""
    ...


check("01.2", latest)

# %% [markdown]
# **Exercise 01.3.** Now repair the join of the beginning. `asked` are the decisions; `daily` has a row for each route
# and date, with `event_timestamp` and `landed_timestamp`. A row may be used from its landing on, and has no `ttl`.
# Take the newest by `event_timestamp`: a row of an older day can be corrected and land later. Return `asked`, its rows
# in their order, with the column `route_day_late_share` added, missing where no row had landed. (Both frames have an
# `event_timestamp`: rename one before you merge.)


# %%
from mlops_lab import check


def join(asked, daily):
    """Each decision, in the order given, with the newest row of its route that had landed by then."""
    ...


check("01.3", join)

# %% [markdown]
# Your function does the work now. While it is not written, the next cell uses the naive join of the beginning.

# %%
mine = join(asked, daily)
joined = naive if mine is None else mine
yours = TrainingSet(joined, features=("leaves_at", "route_day_late_share"))
your_run = train(yours, tracker, label="late", split_at=july)
print("naive join:" if mine is None else "your join:", f"AUC {your_run.metrics['offline.roc_auc']:.3f} offline")

# %% [markdown]
# The naive join promises far too much. With your join the figure falls, and it will hold when the model is served.

# %% [markdown]
# ## The real store
#
# The flights have nine views over nine sources, for five kinds of entity, and three [**feature
# services**](GLOSSARY.md#feature-services): the features that one model is trained on and served with. We applied them
# above; here is what the store knows about them. Two views and their service are enough to see the shape.

# %%
from mlops_lab import FeatureService, draw_store

now_at_airport = [store.get_feature_view(name) for name in ("airport_weather", "airport_departures")]
small = FeatureStore(f"{home.name}/small", clock=clock)
small.apply([*now_at_airport, FeatureService("now_at_airport", now_at_airport)])
draw_store(small)

# %% [markdown]
# Read it from left to right: rows come from a source, belong to an entity, form a view, and a service picks from views.
# Each source names its two times.
#
# The service `as_known` joins five views. One call, each of the 57,668 decisions at its own moment:

# %%
known = store.get_historical_features(asked, features="as_known")
known

# %% [markdown]
# Is our JetBlue flight there, with the rows of the two pictures?

# %%
some = ["temp", "wind_speed", "airport_waiting", "airport_dep_delay_1h", "carrier_dep_delay_3h", "leg_delay"]
known.frame.set_index("flight_id").loc[[flight["flight_id"]], some].round(1).T

# %% [markdown]
# The temperature is that of the 17:00 report. `leg_delay` is missing: nothing was known of the aircraft's last flight
# from New York.

# %%
predict("01.p10")

# %%
replayed = store.replay(in_july, features="as_known")
honest_run = train(known, tracker, label="late", split_at=july, served=replayed)
plot_bars(
    "Offline and as served (July)",
    {
        name: {"offline": run.metrics["offline.roc_auc"], "served": run.metrics["served.roc_auc"]}
        for name, run in (("daily table on the date", served_run), ("as known", honest_run))
    },
    "AUC",
    decimals=3,
)

# %% [markdown]
# 0.776 and 0.776. Less than 0.878, and true. The honest figure is the one the passengers will meet.

# %%
from mlops_lab import quiz

quiz("01.q1")

# %% [markdown]
# *Yesterday's* row, once it has landed, is perfectly honest, so the daily table is not useless. The view only has to
# say when its rows arrive. It does not:

# %%
leaking = store.get_feature_view("daily_route")
leaking.source

# %% [markdown]
# **Exercise 01.4.** Make an honest view of it: the same entities, features, `ttl` and rows, but a row is not visible
# before it landed. The frame has a column that says when; `replace`, used above, copies a definition with a part
# changed. Say first what `source` is, then what `honest` is.

# %%
from mlops_lab import check

source = ...  # leaking.source, with one thing more said
honest = ...  # leaking, with that source
check("01.4", honest)

# %% [markdown]
# When it passes, try it: `store.apply(replace(honest, name="route_yesterday"))`, join its features to `asked`, and
# train on them and `leaves_at`: 0.731 offline, and the same as served.

# %% [markdown]
# ## The same features, online
#
# At two hours before departure nobody has the time to read the warehouse. So an [**online
# store**](GLOSSARY.md#online-store) is filled beforehand: we [**materialize**](GLOSSARY.md#materialize) up to a moment,
# and ask with `get_online_features`. We take the moment at which our JetBlue flight was decided on.

# %%
predict("01.p11")

# %%
moment = flight["event_timestamp"].to_pydatetime()
live_views = ["airport_weather", "airport_departures", "carrier_departures", "aircraft_last_leg"]
store.materialize(moment, views=live_views)

# %% [markdown]
# The newest row of each entity is kept: of three airports, some thirty pairs of carrier and airport, some thousands of
# aircraft. If the answer differed from what the model was trained on, all the care above would be lost.
#
# **Exercise 01.5.** Write the proof: return True or False. `get_online_features(keys, features=…).to_df()` is what the
# server gets, `get_historical_features(…).frame` is the join.


# %%
from mlops_lab import check


def same(store, keys, features, moment):
    """True when get_online_features gives for `keys` what the historical join gives at `moment`."""
    ...


check("01.5", same)

# %% [markdown]
# Now for every flight that leaves JFK that afternoon, as if all were decided on at this moment. Your proof is used as
# soon as it is written.

# %%
soon = asked["event_timestamp"].between(moment, moment + timedelta(hours=3))
afternoon = asked[soon & (asked["origin"] == "JFK")]
keys = afternoon[["flight_id", "origin", "carrier", "tailnum"]].reset_index(drop=True)
references = [f"{name}:{feature}" for name in live_views for feature in store.get_feature_view(name).features]
online = store.get_online_features(keys, features=references).to_df()
offline = store.get_historical_features(keys.assign(event_timestamp=moment), features=references)
yours = same(store, keys, references, moment)
print(
    len(keys), "flights,", len(references), "features each; your proof says", "nothing yet" if yours is None else yours
)
some = ["flight_id", "temp", "airport_waiting", "carrier_dep_delay_3h"]
pd.concat({"online": online[some].head(3), "offline": offline.frame[some].head(3)}).round(1)

# %% [markdown]
# Here are three flights; a proof looks at all, at every value and type, missing ones included. The same definition is
# answered twice: once by looking back from today, once from what was kept ready.

# %% [markdown]
# ## A key that knows too much
#
# Features are looked up by *keys*, and a key can leak too. Ours include the aircraft's tail number. Look at the whole
# year:

# %%
predict("01.p12")

# %%
year = datasets.load_flights(columns=["tailnum", "cancelled"])
has_number = year["tailnum"].notna().map({True: "tail number", False: "no tail number"})
pd.crosstab(has_number, year["cancelled"].map({True: "cancelled", False: "flown"}))

# %%
from mlops_lab import quiz

quiz("01.q2")

# %% [markdown]
# Every one of the 2,512 flights without a tail number was cancelled. The record was written after the fact: a flight
# that never got an aircraft has none in it. Two hours before departure it may well have had one. A feature "no tail
# number" would be right offline, and it would say something else when served. Our replay cannot catch it, because the
# replay uses the same keys.
#
# How much of our honest 0.776 hangs on it? The aircraft's features are missing for these flights, and a model can learn
# from what is missing.

# %%
from mlops_lab import score

examined = known.frame[known.frame["event_timestamp"] >= july]
with_number = examined[examined["tailnum"].notna()]
found = score(tracker.artifacts.load_model(honest_run.artifact), with_number, label="late")
print(f"{len(examined) - len(with_number)} flights of July have no tail number")
print(f"AUC without them: {found.metrics['roc_auc']:.3f}")
print(f"missing leg among flights with a number: {with_number['leg_delay'].isna().mean():.0%}")

# %% [markdown]
# Next to nothing: 0.776 with them and without. Almost half of the other flights have no known last leg either, so a
# missing leg tells nothing. That is luck. Ask of each key: *was this known at the decision?* No store can do it for
# you.

# %% [markdown]
# ## On other data
#
# A clinic counts its missed visits. A count speaks of the moment `counted_at`, and it can be read from `published_at`
# on. After seven days nobody should use it any more.

# %%
counts = pd.DataFrame(
    {
        "clinic": ["north", "north", "south"],
        "room": ["3", None, "7"],  # is given when the patient comes
        "counted_at": pd.to_datetime(["2013-03-03", "2013-03-04", "2013-03-04"], utc=True),
        "published_at": pd.to_datetime(["2013-03-03T09:00Z", "2013-03-05T09:00Z", "2013-03-04T09:00Z"]),
        "missed_share": [0.10, 0.14, 0.08],
    }
)
counts

# %% [markdown]
# **Exercise 01.6.** Define a feature view for them, with a key that is known when a visit is booked.
# (`Source(…, timestamp_field=…)` names the column of the event time.)

# %%
from mlops_lab import check

clinic_view = ...
check("01.6", clinic_view)

# %% [markdown]
# ## What you can do now
#
# You have built the everyday leak and measured it. You can say of any row whether it was known, define a feature view,
# join as of each decision's moment, and serve the same features online. And you know what to ask of a key.
#
# **The same in real tools.** The words are those of [Feast](https://docs.feast.dev/getting-started/concepts):
# [entity](https://docs.feast.dev/getting-started/concepts/entity), [feature
# view](https://docs.feast.dev/getting-started/concepts/feature-view),
# [`get_historical_features`](https://docs.feast.dev/getting-started/concepts/feature-retrieval) and [point-in-time
# joins](https://docs.feast.dev/getting-started/concepts/point-in-time-joins). Two differences are worth knowing: Feast
# looks at `created_timestamp` only to break ties between equal event times, so a late row is *not* hidden there; and
# its default file store can leave out decisions for which nothing is known. In SQL the join is called [`ASOF
# JOIN`](https://duckdb.org/docs/stable/guides/sql_features/asof_join), in pandas
# [`merge_asof`](https://pandas.pydata.org/docs/reference/api/pandas.merge_asof.html); both know the event time and
# leave the arrival to you.
#
# What is known only when somebody asks (the passenger's destination, an amount) comes from an [on-demand feature
# view](https://docs.feast.dev/reference/beta-on-demand-feature-view), computed at the request. What must be fresh
# within seconds is not materialized every night, but [pushed from a
# stream](https://docs.feast.dev/reference/data-sources/push). When the features that are served differ from those of
# the training, one speaks of [**training-serving skew**](GLOSSARY.md#training-serving-skew). A leak is one of its
# causes, two programs for one feature are another.
#
# A feature store pays when several models share features, or when an answer is wanted within milliseconds. For one
# model and one table a careful join is enough.
#
# Next: [How do I train so that I can do it again?](02_training.ipynb)
