# %% [markdown]
# # How do I put it to work, and take it back?
#
# A model has passed the gate on past flights. Tomorrow's flights may differ. So we let it answer a few flights, watch
# what becomes of them, and give it more. If it disappoints, the old model comes back. This is a
# [**canary**](GLOSSARY.md#canary) rollout.
#
# After this notebook you can
#
# - route 5, 25 and then 100 percent of the traffic to a new model, by key,
# - watch a model on outcomes that are known by now, although they arrive late,
# - say why two models are compared flight by flight, and not by AUC,
# - take a model back: by the watch, by hand, and after a crash in the middle,
# - put a router before two servers, so that no request is lost and nobody hears a version that was taken back.
#
# You need notebooks 00 and 04, and no cluster or account. About 102 minutes.

# %%
from mlops_lab import draw_map

draw_map("07")

# %% [markdown]
# ## Three models
#
# Today is the first of December 2013. The flights of September and October are there to learn from, November to be
# examined on.

# %%
import tempfile
from pathlib import Path

from mlops_lab import FakeClock, flight_store, labelled_flights, parse_utc

home, clock = tempfile.TemporaryDirectory(), FakeClock("2013-12-01")
store = flight_store(home.name, clock=clock)
flights = labelled_flights(parse_utc("2013-09-01"), clock.now())
exam_from = parse_utc("2013-11-01")
exam = flights[flights["event_timestamp"] >= exam_from]
print(f"{len(flights):,} flights, {len(exam):,} of them for the exam")

# %% [markdown]
# One function trains on a feature service and registers the version. It measures the model twice: on the features of
# the training join (`offline`), and on those that a live system would have had (`served`).

# %%
from mlops_lab import Registry, Tracker, train

tracker, registry = Tracker(home.name, clock=clock), Registry(home.name, clock=clock)


def new_version(service, author, rows=flights):
    known = store.get_historical_features(rows, features=service)
    served = store.replay(exam, features=service)
    run = train(known, tracker, label="late", split_at=exam_from, served=served, author=author)
    print(f"{service}: AUC {run.metrics['offline.roc_auc']:.3f} offline, {run.metrics['served.roc_auc']:.3f} served")
    return registry.register_model(run, "late_flights")


schedule_only = new_version("schedule_only", "ada")
as_known = new_version("as_known", "ada")
daily_averages = new_version("daily_averages", "bob")

# %% [markdown]
# The first knows the calendar only. The second has the features as they were known two hours before departure. The
# third joins the day's averages on the date: 0.891 offline, 0.559 as served. It **leaks** (notebook 01 shows how).
#
# The gate of this notebook is a short one. Notebook 03 has the long one.

# %%
from mlops_lab import Floor, GatePolicy, Measured, ServedSkew, evaluate_gates

short_policy = GatePolicy([Floor("served.roc_auc", 0.60), ServedSkew("roc_auc", 0.02)])


def judged(version, policy):
    metrics = tracker.get_run(version.run_id).metrics
    champion = registry.get_production("late_flights")
    return evaluate_gates(version, champion, policy, measured=Measured(metrics), at=clock.now())


if registry.get_production("late_flights") is None:  # once: whoever was archived since is not promoted again
    first = registry.promote(judged(schedule_only, short_policy), actor="ada", why="the first model")
    second = registry.promote(judged(as_known, short_policy), actor="ada", why="knows how the day goes")
print(first, second, sep="\n")

# %% [markdown]
# Version 2 is in Production, the stage. It does not answer anybody yet: a [**promotion**](GLOSSARY.md#promotion) says
# that it may, a [**rollout**](GLOSSARY.md#rollout) makes it happen. Version 1 is the *champion* that serves the
# passengers now, version 2 the *challenger*.

# %% [markdown]
# ## Who answers?
#
# The obvious way is to throw a die for each question:

# %%
from mlops_lab import predict

predict("07.p1")

# %%
import numpy as np

dice = np.random.default_rng(10)
asked_three_times = ["2013-12-01-B6-1403-JFK"] * 3
["challenger" if number < 0.25 else "champion" for number in dice.random(len(asked_three_times))]

# %% [markdown]
# The same passenger asks three times, and the second answer comes from another model. In `mlops_lab` the
# [**key**](GLOSSARY.md#key) decides, not chance.

# %%
from mlops_lab import answered_by_challenger

for weight in (5, 25, 100):
    share = answered_by_challenger(exam["flight_id"], weight).mean()
    print(f"weight {weight:>3}: {share:6.1%} of the flights, {answered_by_challenger(asked_three_times, weight)}")

# %% [markdown]
# The shares are what was asked for, and the three answers of one weight are always alike. Now the weight grows from 5
# to 25 percent.

# %%
predict("07.p2")

# %%
at_5, at_25 = (answered_by_challenger(exam["flight_id"], weight) for weight in (5, 25))
print(f"{at_5.sum():,} flights at 5 %, {(at_5 & ~at_25).sum()} of them go back at 25 %")

# %% [markdown]
# None. The key is turned into a number from 0 to 100 that looks like chance (a hash), and the challenger answers when
# the number is below the weight. A number below 5 is below 25 too, so a share only ever grows.
#
# **Exercise 07.1.** Write this yourself. `keys` is a list of texts, `weight` is percent. Return a list of True and
# False. The module `hashlib` is in Python's standard library. Stuck? `hint("07.1")` in a cell of your own.

# %%
import hashlib

from mlops_lab import check, hint


def route(keys, weight):
    """For each key: does the challenger answer it?"""
    ...


check("07.1", route)

# %% [markdown]
# ## The traffic
#
# We need flights of December, and what both models say about each. The champion goes on answering in the background,
# where nobody acts on it. That is called a [**shadow**](GLOSSARY.md#shadow).

# %%
from mlops_lab import canary_traffic

traffic = canary_traffic(as_known, schedule_only, days=21, at=clock.now(), home=Path(home.name), clock=clock)
traffic.round({"challenger": 3, "champion": 3}).head(4)

# %% [markdown]
# `at` is when the model was asked, two hours before departure. `known_at` is when the outcome was known. Between the
# two lie hours.

# %%
predict("07.p3")

# %%
wait = traffic["known_at"] - traffic["at"]
midnight = parse_utc("2013-12-02")
asked = traffic[traffic["at"] < midnight]
known = asked[asked["known_at"] <= midnight]
print(f"half of the outcomes are known after {wait.median().total_seconds() / 3600:.1f} hours")
print(f"until midnight {len(asked)} flights asked, of {len(known)} the outcome is known")

# %% [markdown]
# At midnight (UTC) a third of the day's answers cannot be judged yet. Counting them as "not late so far" would be
# wrong: they are the evening's flights, and the evening is late.
#
# **Exercise 07.2.** Six flights, all answered by the challenger. The watch looks at 22:00. How many of them may it
# judge?

# %%
import pandas as pd

evening = pd.DataFrame(
    {
        "flight": ["a", "b", "c", "d", "e", "f"],
        "asked": ["14:00", "15:30", "16:00", "17:10", "18:00", "22:30"],
        "left": ["16:05", "17:30", None, "19:40", "20:05", None],
        "known": ["18:20", "21:10", "22:00", "22:45", "23:50", None],
    }
)
evening

# %%
from mlops_lab import check

judged_at_22 = ...
check("07.2", judged_at_22)

# %% [markdown]
# ## What to compare
#
# At 5 percent the challenger answers some 45 flights a day. Is AUC a good figure for them? Take the flights of the 5
# percent, day by day, and ask which model has the better AUC.

# %%
from mlops_lab import measure

canary = traffic[answered_by_challenger(traffic["key"], 5)]


def by_day(figure):
    days = canary.groupby(canary["at"].dt.strftime("%d December"))
    return pd.DataFrame(
        {
            day: {name: measure(rows["truth"], rows[name])[figure] for name in ("challenger", "champion")}
            for day, rows in days
        }
    ).T


auc = by_day("roc_auc")
auc.round(3).head(5)

# %%
predict("07.p4")

# %%
wins = (auc["challenger"] > auc["champion"]).sum()
whole = {name: measure(traffic["truth"], traffic[name])["roc_auc"] for name in ("challenger", "champion")}
print(f"the challenger's AUC of a day lies between {auc['challenger'].min():.2f} and {auc['challenger'].max():.2f}")
print(f"it is the better one on {wins} of {len(auc)} days")
print(f"on all {len(traffic):,} flights: {whole['challenger']:.3f} against {whole['champion']:.3f}")

# %% [markdown]
# On 19,436 flights the challenger is clearly better, 0.703 against 0.621. Yet it wins on 9 days of 21 only. Among 45
# flights there are few late ones, so each of them moves the AUC.
#
# The **Brier score** is the mean of (probability − outcome)². Less is better. It exists for each single flight, so we
# can subtract: the challenger's error minus the champion's error *on the same flight*. A stormy day is bad for both,
# and the storm goes away in the difference.

# %%
predict("07.p5")

# %%
brier = by_day("brier")
wins = (brier["challenger"] < brier["champion"]).sum()
print(f"by Brier score the challenger is the better one on {wins} of {len(brier)} days")

# %% [markdown]
# 16 of 21. So the watch compares Brier scores, flight by flight. It takes a challenger back when the difference is
# beyond a bound. The bound counts days and not flights, because the flights of one day share their storm. And it is
# wide enough to hold at all looks together, because each look is one more chance to be wrong. Each look ends in one of
# three words:
#
# | decision | when |
# |---|---|
# | `hold` | too few outcomes are known, or it is worse and that may be chance |
# | `advance` | on average it is not worse than the champion by more than a margin |
# | `roll_back` | what was seen is no longer compatible with the margin, or it fails to answer |

# %% [markdown]
# ## A canary that goes well

# %%
from mlops_lab import RolloutPolicy, rollout

policy = RolloutPolicy()  # `shared`: how much two equal models may differ on one day; here a guess, see further down
policy

# %%
predict("07.p6")

# %%
good = rollout(second, registry, traffic=traffic, policy=policy)
good

# %% [markdown]
# Read it line by line. At the first two looks fewer than 100 outcomes are known. Then the challenger is a little
# worse, *which may be chance*, and the watch waits. On the 6th it is better, and its share grows to 25 percent. A step
# begins with new flights: 156 are enough. After one day at 100 percent version 2 has taken over.

# %% [markdown]
# ## One that should never have come so far
#
# Now bob wants his model in Production. Our gate refuses it:

# %%
judged(daily_averages, short_policy)

# %% [markdown]
# But people write policies. Here is one that demands only a good AUC `offline`:

# %%
forgetful = GatePolicy([Floor("offline.roc_auc", 0.65)])
report = judged(daily_averages, forgetful)
report

# %%
third = registry.promote(report, actor="bob", why="best AUC we ever had")
third

# %% [markdown]
# It passed, and nothing was broken: the registry asks for a passed report, and here is one. At which
# weight will the watch find out?

# %%
predict("07.p7")

# %%
leaking_traffic = canary_traffic(daily_averages, as_known, days=21, at=clock.now(), home=Path(home.name), clock=clock)
bad = rollout(third, registry, traffic=leaking_traffic, policy=policy)
bad

# %% [markdown]
# It was taken back, and that is the lesson: **the rollout finds out when the gate was not enough**. But look at the
# weights. On the 126 flights of the first days the leaking model looked fine, and on the next 148 too. It got
# 100 percent, and the leaking model answered everybody: 0.392 against 0.292 on the first of these days. One
# day may be a storm, so the watch waits. After the second it takes the model back.

# %%
from mlops_lab import plot_line

day = leaking_traffic["at"].dt.day
error = {
    f"{name} (v{number})": ((leaking_traffic[side] - leaking_traffic["truth"]) ** 2).groupby(day).mean().round(3)
    for side, name, number in (("champion", "as_known", 2), ("challenger", "daily_averages", 3))
}
plot_line(
    "Brier score by day, all flights of 1 to 21 December",
    {name: values.tolist() for name, values in error.items()},
    x=error["as_known (v2)"].index.tolist(),
    x_label="day of December (UTC)",
    y_label="Brier score (less is better)",
    decimals=3,
)

# %% [markdown]
# The leaking model is worse on 20 days of 21. On 4 December the two nearly touch, and on the 10th it is even the better
# one: a single day proves nothing. Here is the weight at each look:

# %%
opened = {f"v{one.version}": {f"{step.until:%d}": step.weight for step in one.steps} for one in (good, bad)}
days = sorted(opened["v2"].keys() | opened["v3"].keys())
plot_line(
    "Weight of the challenger at each look",
    {name: [weights.get(one) for one in days] for name, weights in opened.items()},
    x=days,
    x_label="morning of December on which the watch looked",
    y_label="flights answered (%)",
    decimals=0,
)

# %% [markdown]
# At the look of 6 December version 3 had 100 percent, and the good model was still at 5. Who is in charge now?

# %%
predict("07.p8")

# %%
print(registry.get_production("late_flights"))
print(registry.get_model_version("late_flights", 3))

# %% [markdown]
# The registry brought version 2 back. Version 3 is archived; nothing was deleted.
#
# Here are both challengers again, to play with. Choose who comes, how fast its share grows, how many outcomes a look
# needs and how much worse it may be: each picture is the same call of `rollout` as above. (In the panel the champion is
# always v1, and the challenger v2.)

# %%
from mlops_lab import CanaryPanel

CanaryPanel({"daily_averages": leaking_traffic, "as_known": traffic})

# %% [markdown]
# Without a kernel you see the rollout of the leaking model with the default policy, day by day.
#
# **Exercise 07.3.** Write a `RolloutPolicy` that is more careful than the default: a model like version 3 must never
# get more than its first 5 percent, and a model like version 2 must still take over within three weeks. You can change
# `weights`, `min_labels`, `margin`, `max_error_rate` and `patience_days` (how long a step may wait for outcomes); the
# trace above says which of them was too hasty. The check tries your policy on traffic that you have not seen.

# %%
from mlops_lab import check

careful = ...
check("07.3", careful)

# %% [markdown]
# ## Patience, and a model that is silent
#
# A step may wait for outcomes for `patience_days`, and then the challenger is taken back. A difference that may be
# chance gets twice as long. After that the challenger goes too, unless an equal model might well have looked the same.
# `judge` is one look of the watch:

# %%
predict("07.p9")

# %%
from mlops_lab import judge

first_day = canary[canary["at"] < midnight]
first_day = first_day.assign(truth=first_day["truth"].where(first_day["known_at"] <= midnight))
print(judge(first_day, policy))
silent = first_day.assign(challenger=first_day["challenger"].mask(first_day["key"].str.contains("-B6-")))
print(judge(silent, policy))

# %% [markdown]
# In the second line the model gives no answer for flights of JetBlue (B6). No outcome is needed to see that this is
# bad: the [**error rate**](GLOSSARY.md#error-rate) alone takes it back, on the first day.

# %%
from mlops_lab import quiz

quiz("07.q1")

# %% [markdown]
# ## A crash in the middle
#
# A rollout takes days. In that time the machine that runs it will be restarted. Another version comes along, trained
# on October alone:

# %%
october = flights[flights["event_timestamp"] >= parse_utc("2013-10-01")]
recent = new_version("as_known", "ada", rows=october)
fourth = registry.promote(judged(recent, short_policy), actor="ada", why="learns from October only")
recent_traffic = canary_traffic(recent, as_known, days=21, at=clock.now(), home=Path(home.name), clock=clock)

# %% [markdown]
# We pull the plug in the middle of a look. (A subclass of the registry does that for us.)


# %%
class PullThePlug(Registry):
    looks = 0

    def record_event(self, name, version=None, **event):
        self.looks += event["action"] == "rollout_step"
        if self.looks == 3:
            raise SystemError("the power is gone")
        return super().record_event(name, version, **event)


try:
    rollout(fourth, PullThePlug(home.name, clock=clock), traffic=recent_traffic, policy=policy)
except SystemError as error:
    print(error)

# %% [markdown]
# A new process starts. It has nothing but the home folder, and makes the same call of `rollout` again.

# %%
predict("07.p10")

# %%
from mlops_lab import deployment_of

after_restart = Registry(home.name, clock=clock)
deployment_of(after_restart, fourth)

# %% [markdown]
# Before the call, two looks are in the history, and the rollout is still running. Nothing is kept in memory: every look
# is an event of the registry. Now the call, with the flights up to 5 December, as a nightly job would make it:

# %%
until_now = recent_traffic[recent_traffic["at"] < parse_utc("2013-12-05")]
resumed = rollout(fourth, after_restart, traffic=until_now, policy=policy)
resumed

# %% [markdown]
# The two looks from before the crash are there once, not twice, and the state is `running`: the traffic has ended,
# the rollout has not.

# %% [markdown]
# ## Stopped by hand
#
# Grace from operations calls: a storm is coming, no experiments this week.

# %%
predict("07.p11")

# %% [markdown]
# **Exercise 07.4.** Be Grace, and stop it. `stop` takes the promotion (`fourth`) and the registry (`after_restart`), as
# `rollout` does, then `actor=` and `why=`.

# %%
import shutil

from mlops_lab import check, stop

stopped = ...  # a call of stop
check("07.4", stopped)

# %%
after = after_restart
if stopped is ...:  # then she does it in a copy of the folder, and your turn is still to come
    copy = tempfile.TemporaryDirectory()
    shutil.copytree(home.name, copy.name, dirs_exist_ok=True)
    after = Registry(copy.name, clock=clock)
    stop(fourth, after, actor="grace", why="storm warning, no experiments this week")
print(deployment_of(after, fourth))
print(after.get_production("late_flights"))

# %% [markdown]
# Version 2 is back in one call, and version 4 is archived. That needs no bad figure and no discussion. Here is the
# history of version 4, with who did it and why:

# %%
for event in after.history("late_flights", version=4)[2:]:
    print(f"{event.actor:<8} {event.action:<17} {event.source or '':<10} {event.target or '':<10} {event.why[:60]}")

# %% [markdown]
# The whole history is a chain in which every line depends on the line before, and it can be checked:

# %%
print(after.verify() == len(after.history()))

# %%
from mlops_lab import quiz

quiz("07.q2")

# %% [markdown]
# ## What a daily look costs
#
# Versions 2 and 4 are one recipe, trained on two months and on one. The usual rule takes a challenger back when it is
# worse by two standard errors. Would it spare a model that is *not* worse? We play 200 rollouts on the flights of these
# two, and on each day a coin says which of them is called the challenger.

# %%
predict("07.p12")

# %%
from mlops_lab import PeekingPanel

PeekingPanel(recent_traffic[answered_by_challenger(recent_traffic["key"], 5)])

# %% [markdown]
# Each look is one more chance to be wrong, and the flights of a day share their storm. The watch's bound holds at all
# looks together. Is it blind, then? Move *truly worse by*, and see.
#
# It takes one thing for granted: on a day two equal models come apart by some 0.02, the policy's `shared`. This
# notebook and its panels keep that default, so that their figures can be followed. No number fits every pair. Where two
# come apart further, good ones are taken back with 0.02; where less, a worse one stays on. So the pipeline measures it
# on the days of the exam, with `mlops_lab.models.rollout.shared_by_day`.

# %% [markdown]
# ## How stale is what it sees?
#
# A served model cannot compute a rolling delay over the whole year for every question. Its features lie ready in the
# **online store**. `materialize` puts them there, as they were known at one moment.

# %%
noon = parse_utc("2013-11-30T17:00:00Z")  # noon in New York
names = ["airport_departures:airport_departures_1h", "airport_departures:airport_waiting"]
store.materialize(noon, views=["airport_departures"])
airports = [{"origin": origin} for origin in ("EWR", "JFK", "LGA")]
store.get_online_features(airports, features=names, at=noon).to_df()

# %% [markdown]
# At noon LGA had 15 departures in the last hour, and 3 flights wait. Then the job that materialises stops, and nobody
# notices. What does the model see at 13:30 and at 14:30?

# %%
predict("07.p13")

# %%
for minutes in (90, 150):
    later = noon + pd.Timedelta(minutes=minutes)
    seen = store.get_online_features([{"origin": "LGA"}], features=names, at=later).to_dict()
    print(minutes, "minutes later:", seen["airport_departures_1h"], seen["airport_waiting"])

# %% [markdown]
# After 90 minutes it still gets the figures of noon, which are no older than the view's `ttl` of two hours. After 150
# minutes it gets nothing, which is better than an old figure that looks new. `materialize_incremental` brings the store
# up to date:

# %%
later = noon + pd.Timedelta(minutes=150)
store.materialize_incremental(later, views=["airport_departures"])
online = store.get_online_features([{"origin": "LGA"}], features=names, at=later).to_df()
asked_at_14_30 = pd.DataFrame({"origin": ["LGA"], "event_timestamp": [later]})
offline = store.get_historical_features(asked_at_14_30, features=names).frame
pd.concat([online[["airport_departures_1h", "airport_waiting"]], offline[["airport_departures_1h", "airport_waiting"]]])

# %% [markdown]
# The first row is the online store, the second the join over history at the same moment. They are equal.

# %% [markdown]
# ## The server
#
# So far we called the model. A passenger's app sends a request over the network: it knows a flight, and nothing of
# features. `load_predictor` loads the champion, after the bytes of its file and the types in it were verified, and puts
# the online store beside it. It is what the model server does between the bytes of a request and its answer.

# %%
from mlops_lab import load_predictor

store.materialize_incremental(later, views=[view.name for view in store.get_feature_service("as_known").features])
predictor = load_predictor(home.name, "late_flights")
print(predictor.model)
print("keys:", ", ".join(predictor.lookup.keys))

# %% [markdown]
# Version 2, with 34 features. The four keys are all that a client has to know. Here is one flight of that evening:

# %%
import json

flight = exam[exam["event_timestamp"] >= later].iloc[0]
request = json.dumps({"instances": [{key: flight[key] for key in predictor.lookup.keys}]})
print(request)
print(
    "probability of being late:", round(predictor.scores(predictor.table(request.encode(), "application/json"))[0], 3)
)

# %% [markdown]
# The predictor read the features at the four keys and asked the model. Now the same flight with the features of the
# training join:

# %%
predict("07.p14")

# %%
from mlops_lab import predict_proba

row = pd.DataFrame([flight[["flight_id", "origin", "carrier", "tailnum", "dest"]]]).assign(event_timestamp=later)
model = tracker.artifacts.load_model(registry.get_by_alias("late_flights", "champion").artifact)
round(float(predict_proba(model, store.get_historical_features(row, features="as_known").frame)[0]), 3)

# %% [markdown]
# The same number. What happens to requests that are wrong?

# %%
predict("07.p15")

# %%
from mlops_lab import RequestError

known = {"flight_id": flight["flight_id"], "origin": "JFK", "carrier": "B6", "tailnum": None}
for body in (
    '{"instances": [',
    '{"instance": []}',
    json.dumps({"instances": [{**known, "flight_id": "2013-11-30-XX-1-JFK"}]}),
    json.dumps({"instances": [{"flight_id": flight["flight_id"]}]}),
):
    try:
        predictor.scores(predictor.table(body.encode(), "application/json"))
    except RequestError as error:
        print(error.status, error)

# %% [markdown]
# Each gets a status of HTTP and one sentence. 400 means that the body is not what it says it is, 422 that the rows are
# not what the model needs, 404 that nobody knows this flight. No traceback leaves the server, and a wrong guess for an
# unknown flight does not either.
#
# Now a real server, as `mlops-lab serve late_flights 2` starts it in a terminal. It writes a line of JSON for each
# event. First it is *listening*, on a port that is free. It is [**ready**](GLOSSARY.md#ready) when the model is
# loaded; who asks before that is told to come back (503).

# %%
import subprocess
import sys
from importlib.util import find_spec

told = {}
if find_spec("uvicorn") is None:
    print("a server needs: pip install 'mlops-lab[serve]'")
else:
    words = f"serve late_flights 2 --home {home.name} --port 0 --with-parent"
    command = [sys.executable, "-m", "mlops_lab", *words.split()]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while told.get("event") != "ready":
        told |= json.loads(server.stderr.readline())
    print("ready:", told["model"], "version", told["version"])

# %% [markdown]
# Send it the flight, as an app does, and stop it.

# %%
from urllib.request import Request, urlopen

if told and server.poll() is None:  # as long as it runs
    address, kind = f"http://127.0.0.1:{told['port']}/invocations", {"content-type": "application/json"}
    with urlopen(Request(address, request.encode(), kind)) as reply:
        answered = json.load(reply)
    print("version", answered["model_version"], "says", round(answered["predictions"][0], 3))
    server.terminate()
    server.communicate()

# %% [markdown]
# The same number once more, over the network, with the version that gave it.

# %% [markdown]
# **Exercise 07.5.** Write the router that stands in front of two servers during a canary, by key as in 07.1. It returns
# a pair: who answered, and the answer. `champion` and `challenger` are functions of the key. A server that is down
# raises `ConnectionError`. `taken_back` is true after a rollback.


# %%
from mlops_lab import check


def answer(key, champion, challenger, weight, taken_back):
    """Who answered ("champion" or "challenger") and the answer; both models are functions of the key."""
    ...


check("07.5", answer)

# %% [markdown]
# Your router sends the exam's flights to two functions; while it is not written, the package's share stands.

# %%
asked_of = [answer(key, len, len, 25, False) for key in exam["flight_id"]]
share = np.mean([who[0] == "challenger" for who in asked_of]) if asked_of[0] else at_25.mean()
print(f"{share:.0%} of the flights went to the challenger")

# %% [markdown]
# ## Two servers and one router
#
# And the rollout? `mlops-lab rollout live` starts a server for the champion and one for the challenger, puts a router
# in front of both, and asks about flight after flight over 16 connections while the watch decides:
#
# ```
# $ mlops-lab rollout live --days 5
# v1 and v2 are ready
# the router listens on port 43677
# 2013-06-03, 5 %, hold: 58 of 100 outcomes are known
# 2013-06-04, 5 %, advance: on 117 flights its Brier score is 0.130 against 0.191: better by 0.061, …
# 2013-06-05, 25 %, advance: on 166 flights its Brier score is 0.129 against 0.133: better by 0.004, …
# 2013-06-06, 100 %, advance: on 693 flights its Brier score is …
# finished: on 693 flights its Brier score is …
# v1 answered 3,223
# v2 answered 1,354
# 4,577 requests: 4,577 answered, 0 lost, 0 asked again by the router, 0 answered by a version that had been taken back
# ```
#
# Look at the last line: two zeros that have to be there. *Lost* is a request without an answer; when a server dies
# (try `--kill challenger`), the router asks the other one. *Taken back* is harder. A challenger may be thinking about
# a flight at the moment of its rollback. So the router looks into the registry's history once more before an answer
# leaves, and an answer of a version that was taken back is thrown away: the champion is asked. `mlops-lab rollout
# stop` in another terminal stops it at once.
#
# With `--shadow` only the watch hears the challenger.

# %% [markdown]
# ## The same on each target
#
# A company's servers run on Kubernetes, on SageMaker or on Vertex AI. `mlops-lab export` writes the files; so does a
# call.

# %%
predict("07.p16")

# %%
from mlops_lab import flights_pipeline, to_kubernetes, to_sagemaker, to_vertex

files = to_kubernetes(image="ghcr.io/ada/late-flights:v3")
print("Kubernetes:", ", ".join(sorted({name.split("/")[1] for name in files if name.startswith("overlays/")})))
steps = json.loads(to_sagemaker(flights_pipeline()))["Steps"]
print("SageMaker: ", ", ".join(step["Name"] for step in steps))
kfp = to_vertex(flights_pipeline())
print("Vertex AI: ", next(line.strip() for line in kfp.splitlines() if "dsl.If" in line))

# %% [markdown]
# Kubernetes has one overlay for each way of sharing the traffic. SageMaker's pipeline ends in a condition, the gate;
# what passes becomes a model package that waits for an approval. Vertex AI promotes only inside that `If`. Here is our
# policy, 5, 25 and 100 percent, as Argo Rollouts reads it:

# %%
rollout_file = files["overlays/production-argo/rollout.yaml"]
for line in rollout_file.splitlines():
    if line.strip().startswith("- "):
        print(line.strip().split(" #")[0])

# %% [markdown]
# The same three weights. `pause` waits a day, because outcomes arrive late, and `analysis` is the watch. What differs:
#
# | | who answers which request | the smallest step | the way back |
# |---|---|---|---|
# | here | the key decides | any percent | the history: at once, also for answers under way |
# | a second Deployment | chance, by connection | one pod | scale it to 0 |
# | Argo Rollouts, KServe | chance, by request (with a mesh) | any percent | abort; percent to 0 |
# | SageMaker | chance, by request | any weight, at least one instance | weights to 0, or an alarm |
# | Vertex AI | chance, by request | 1 percent, at least one replica | the former traffic split |
#
# All four let chance decide, as the die did above. If your passengers mind, put your key into the request, and let a
# router of your own read it. None of the four knows an outcome. They count errors and milliseconds. Only your watch
# can say whether the *answers* are good, days later, when the labels are there.
#
# What does it cost? List prices of 2025 in US regions, rounded to cents an hour; look yours up.

# %%
hour = {  # a control plane, the servers of the champion, one more for the canary
    "Kubernetes, 2 small nodes": (0.10, 2 * 0.04, 0.00),
    "SageMaker, 2 × ml.m5.large": (0.00, 2 * 0.12, 0.12),
    "Vertex AI, 2 × n1-standard-2": (0.00, 2 * 0.11, 0.11),
}
pd.DataFrame(
    {
        name: {"dollars a month": round(730 * (plane + servers)), "more for a canary of 5 days": round(120 * more)}
        for name, (plane, servers, more) in hour.items()
    }
).T

# %% [markdown]
# On Kubernetes the canary's pod fits on a node that is paid for already; the other two start a machine for it.
#
# ## On other data
#
# A clinic tries a challenger for its model of missed visits. An answer is a dict: `known_at` is the minute at which the
# outcome was known (or None), `missed` the outcome, `challenger` and `champion` the two chances.
#
# **Exercise 07.6.** Write one look of the watch: `hold` while fewer than `enough` outcomes are known at `now`,
# `roll_back` when the challenger's Brier score is worse by more than `margin`, else `advance`. Return the word.


# %%
from mlops_lab import check


def look(answers, now, enough, margin):
    """hold, advance or roll_back; an answer has known_at (or None), missed, challenger and champion (chances)."""
    ...


check("07.6", look)

# %% [markdown]
# ## What you can do now
#
# You can shift traffic step by step so that no passenger is sent back and forth. You judge a model only on outcomes
# that are known, and flight by flight. You have seen a good model take over, a leaking one taken back, and one that
# went on after a crash and was stopped by hand. You know that a hasty policy costs a day, and that features which are
# too old count as missing. You have sent a flight to a server, good and bad, and you know what a router must do so that
# no request is lost and nobody hears a version that was taken back, on your machine and on three others.
#
# **The same in real tools.** Weights and automatic rollback are called *canary* in [Argo
# Rollouts](https://argo-rollouts.readthedocs.io/en/stable/features/canary/) on Kubernetes, *production variants* and
# *deployment guardrails* in [SageMaker](https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html),
# and *traffic split* in [Vertex AI](https://cloud.google.com/vertex-ai/docs/predictions/overview). The online store
# is [Feast's](https://docs.feast.dev/getting-started/concepts/feature-retrieval), the aliases are
# [MLflow's](https://mlflow.org/docs/latest/ml/model-registry/).
#
# **What comes next.** Notebook 08 lets real engines, Feast and MLflow, do the work of the store and the registry. What
# you bring along stays the same: a share by key, outcomes known by now, a policy, and a way back.
