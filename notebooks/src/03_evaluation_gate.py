# %% [markdown]
# # What must be true before a model may replace another?
#
# A new model is ready. Somebody sees that its number is higher than last time, and the model goes to work. Usually that
# is fine. This notebook is about the other days: the number is missing, comes from another month, hides an airport, or
# holds offline only. A [**gate**](GLOSSARY.md#gate) asks about all of that, every time, and gives its reasons.
#
# After this notebook you can
#
# - say why a missing figure has to be a no, and write a gate that sees it so,
# - compare a new model with the one in charge fairly: on the same flights,
# - demand more than one number: every airport, promises that are kept, figures that hold when served, data as agreed,
# - read a gate report, and change a policy knowing what it will let through.
#
# You need notebooks 00 and 01, and about 60 minutes.

# %%
from mlops_lab import draw_map

draw_map("03")

# %% [markdown]
# ## The gate everybody writes first
#
# The figure is the AUC: how often the model ranks a late flight above a punctual one. 0.5 is a coin, 1 is perfect.


# %%
def may_replace(auc):
    if auc < 0.65:
        return "no"
    return "yes"


print(may_replace(0.60), may_replace(0.70))

# %% [markdown]
# As it should be. Now the exam of a quiet night: three flights, none of them late.

# %%
from mlops_lab import measure

quiet_night = measure([0, 0, 0], [0.1, 0.7, 0.4])
print(quiet_night["roc_auc"])

# %% [markdown]
# Nothing can be ranked above a punctual flight when no flight was late, so there is no AUC. `measure` says `nan`, *not
# a number*, instead of making one up.
#
# **Exercise 03.1.** Before you run on: what will our gate say to it? Write "yes" or "no", in quotes. (Stuck? Put `from
# mlops_lab import hint; hint("03.1")` into a cell of your own; ask again for the next hint.)

# %%
from mlops_lab import check

said = ...
check("03.1", said)

# %% [markdown]
# Now look:

# %%
print(may_replace(quiet_night["roc_auc"]))

# %% [markdown]
# It says **yes**. Every comparison with NaN is false, so `auc < 0.65` is false, and the gate, which only knows how to
# spot a bad figure, sees nothing bad. Choosing the best of several does not help either:

# %%
nan = float("nan")
print(max(0.65, nan), max(nan, 0.65))
print(max([("broken", nan), ("good", 0.70)], key=lambda model: model[1]))

# %% [markdown]
# `max` keeps its first argument unless another is larger, and nothing is larger than NaN. So the model without a figure
# *wins against* the good one, without an error or a warning.
#
# The way out is to turn the question round. Do not ask "is it bad?". Ask "**is it shown to be good?**" Here is a rule
# that does, a floor. `Measured` holds the figures of an exam, and `judge` says what the rule makes of them.

# %%
from mlops_lab import Floor, Measured

floor = Floor("served.roc_auc", 0.65)
for figures in ({"served.roc_auc": 0.70}, {"served.roc_auc": nan}, {"served.roc_auc": float("inf")}, {}):
    result = floor.judge(Measured(figures))
    print("pass" if result.passed else "fail", "|", result.sentence)

# %% [markdown]
# That is the first law of this gate: *what was not measured cannot pass*. (`inf` is infinity, as a division by 0
# gives.)

# %% [markdown]
# **Exercise 03.2.** Write such a floor yourself. Return True or False.


# %%
from mlops_lab import check


def reaches(figures, name, floor):
    """True when `figures` (a dict) holds a real figure of this name, at the floor or above it."""
    ...


check("03.2", reaches)

# %%
from mlops_lab import quiz

quiz("03.q2")

# %% [markdown]
# ## Three models
#
# Now real ones. On 1 June 2013 a model learns from March and April and is examined on May; it is the first, so it goes
# to work. A month later the pipeline runs again and learns one month more. Each is called after the month in which it
# goes to work. (An exam is one month here, so the figures differ from those in notebook 00.)
#
# | | learns from | own exam |
# |---|---|---|
# | June's model | March, April | flights of May |
# | July's model | March, April, May | flights of June |

# %%
import tempfile

from mlops_lab import FakeClock, print_tasks, run_flights

home = tempfile.TemporaryDirectory()
clock = FakeClock("2013-07-01")
short = {"train_from": "2013-03-01", "holdout_days": 30}
print("June:")
runs = {"June": run_flights(home.name, date="2013-06-01", params=short, clock=clock, on_event=print_tasks)}
print("July:")
runs["July"] = run_flights(home.name, date="2013-07-01", params=short, clock=clock, on_event=print_tasks)
print({name: run.state for name, run in runs.items()})

# %% [markdown]
# On the same 1 July a colleague brings a model of her own. It learns from the table of daily averages.

# %%
hers = short | {"features": "daily_averages"}
runs["colleague"] = run_flights(home.name, date="2013-07-01", params=hers, clock=clock, on_event=print_tasks)
stopped = [name for name, state in runs["colleague"].states.items() if state == "failed"]
print(runs["colleague"].state, "at:", stopped)

# %% [markdown]
# Two went through, the third was stopped. A gate judges by what was measured and by nothing else; the pipeline keeps
# that with every run.

# %%
from mlops_lab import DataProfile, Tracker, get_json

tracker = Tracker(home.name)


def what_was_measured(run):
    found = get_json(tracker.artifacts, run.result("evaluate")["measured"])
    data = DataProfile.from_dict(found["data"])
    return Measured(found["metrics"], found["champion"], data, holdout=found["holdout"])


measured = {name: what_was_measured(run) for name, run in runs.items()}
measured["July"]

# %% [markdown]
# Figures of the challenger, figures of the **champion** (the version in charge), and a profile of the data.

# %% [markdown]
# ## Better than whom?
#
# June's model is the champion. Its own exam is on record. Compare it with the exam of July's model:

# %%
print(f"June's model, in its own exam: {measured['June'].metrics['served.roc_auc']:.3f}")
print(f"July's model, in its own exam: {measured['July'].metrics['served.roc_auc']:.3f}")

# %% [markdown]
# The new model looks worse, 0.769 after 0.773. Should it be refused?
#
# The first exam was on the flights of May, the second on those of June. So the pipeline lets the old model sit **the
# same exam**:

# %%
from mlops_lab import predict

predict("03.p1")

# %%
print(f"June's model, on June's flights: {measured['July'].champion['served.roc_auc']:.3f}")
print(f"July's model, on June's flights: {measured['July'].metrics['served.roc_auc']:.3f}")

# %% [markdown]
# June was harder: the same model has 0.773 on May's flights and 0.760 on June's. On the same flights the new model is
# *better* by 0.009. A gate that compares with the record keeps the worse model at work.
#
# The new model that wants to take its place is called the [**challenger**](GLOSSARY.md#challenger). A rule says how
# much worse a challenger may be: here 0.005, because so small a difference may be chance.

# %%
from mlops_lab import NoWorseThanChampion

no_worse = NoWorseThanChampion("served.roc_auc", 0.005)
print(no_worse.judge(measured["July"]).sentence)
print(no_worse.judge(measured["colleague"]).sentence)

# %% [markdown]
# And the champion against itself? Trained again from the same rows, it is the same model (notebook 02), so both have
# the same figures. The next cells judge that, with a margin of 0.

# %%
predict("03.p2")

# %%
from dataclasses import replace

again = replace(measured["July"], champion=measured["July"].metrics)
print(NoWorseThanChampion("served.roc_auc", 0.0).judge(again).sentence)

# %%
from mlops_lab import quiz

quiz("03.q1")

# %% [markdown]
# ## Good for whom?
#
# One number for three airports is an average, and an average can hide one of them. The demand for **slices** is that
# the worst one reaches a floor too.

# %%
from mlops_lab import AIRPORTS, SliceFloor

every_airport = SliceFloor("served.roc_auc", 0.62, slices=AIRPORTS)
print({part: round(measured["July"].metrics[f"served.roc_auc.{part}"], 3) for part in AIRPORTS})
print(every_airport.judge(measured["July"]).sentence)

# %% [markdown]
# Newark (EWR) is the worst with 0.755, well above 0.62. Had nobody measured Newark, the rule would fail: the airports
# are named in it.

# %% [markdown]
# ## Are its promises kept?
#
# Passengers are rebooked when the model says 60 %. Then about 60 of 100 such flights should be late. That is
# **calibration**, and AUC cannot see it: AUC looks at the order only.

# %%
from mlops_lab import LABEL, get_training_set, plot_calibration, predict_proba


def promises(run):
    served = get_training_set(tracker.artifacts, run.result("build_training_set")["served"]).frame
    model = tracker.artifacts.load_model(run.result("train")["artifact"])
    return served[LABEL].astype(int).tolist(), predict_proba(model, served).tolist()


plot_calibration({name: promises(runs[name]) for name in ("July", "colleague")})

# %% [markdown]
# Each point is a tenth of June's flights. July's model keeps near the diagonal: its promises are off by 0.030 on
# average. The colleague's are off by 0.177: of the flights it is almost sure about, nearly half arrive on time.
#
# The **Brier score** looks at order and promises at once: the mean of (probability − outcome)², where less is better.
# The policy below compares it, too.

# %% [markdown]
# ## Does it behave?
#
# All these figures are averages over flights that happened. A [**test of behaviour**](GLOSSARY.md#test-of-behaviour)
# asks about flights that did not: the same ones, with one thing made worse. More aircraft waiting, more wind, less
# visibility: the chance of being late has to rise. For which case does July's model say otherwise?

# %%
predict("03.p3")

# %%
asked = get_training_set(tracker.artifacts, runs["July"].result("build_training_set")["served"]).frame
july = tracker.artifacts.load_model(runs["July"].result("train")["artifact"])
last_hour, three_hours = "airport_dep_delay_1h", "airport_dep_delay_3h"
cases = [{"airport_waiting": 10}, {"wind_speed": 15}, {"visib": -5}]
cases += [{last_hour: 30}, {three_hours: 30}, {last_hour: 30, three_hours: 30}]
for case in cases:
    known = asked.dropna(subset=list(case))
    worse = known.assign(**{column: known[column] + change for column, change in case.items()})
    rises = predict_proba(july, worse) > predict_proba(july, known)
    print(f"{rises.mean():4.0%} of the flights  {case}")

# %% [markdown]
# The fifth case goes the wrong way. But the last hour stayed as it was there, so the hours before it were worse: an
# afternoon that is getting better. In the sixth case both rise together, as in a storm, and the chance rises for 96 of
# 100 flights. Such a test finds mistakes in models and in our questions. As a gate rule it needs a bound like any
# other.

# %% [markdown]
# ## Does the figure hold when the model is served?
#
# The last demand on the model is the one that catches leaks. `offline` is the exam on the features as they stand in the
# training set. `served` is the exam on the features that the model would really have been given, two hours before each
# flight.

# %%
from mlops_lab import ServedSkew, plot_bars

figures = {
    name: {kind: measured[name].metrics[f"{kind}.roc_auc"] for kind in ("offline", "served")}
    for name in ("July", "colleague")
}
plot_bars("AUC offline and as served", figures, "AUC", decimals=3)

# %% [markdown]
# Offline the colleague's model is by far the best of the three. The rule `ServedSkew` compares the two figures of one
# model, and lets it lose 0.02. What about a model that is better as served?

# %%
predict("03.p4")

# %%
skew = ServedSkew("roc_auc", 0.02)
print(skew.judge(measured["colleague"]).sentence)
print(skew.judge(Measured({"offline.roc_auc": 0.70, "served.roc_auc": 0.75})).sentence)

# %% [markdown]
# ## Is the data as agreed?
#
# A model can be fine and its data broken: a column that changed its type, half of a table that did not arrive. A
# [**data contract**](GLOSSARY.md#data-contract) says what was agreed: which columns of which kind (`Schema`), how
# many rows, how many missing values, and how old the newest row may be (`Freshness`). Here it meets a small frame.

# %%
predict("03.p5")

# %%
import pandas as pd

from mlops_lab import Freshness, NullRate, RowCount, Schema, parse_utc, profile

stamps = pd.to_datetime(["2013-06-01T06:00Z", "2013-06-01T07:00Z"])
broken = pd.DataFrame({"origin": ["EWR", None], "distance": ["719", "229"], "event_timestamp": stamps})
seen = Measured({}, data=profile(broken, parse_utc("2013-07-01")))
contract = [Schema({"distance": "number"}), RowCount(10_000), NullRate(0.0), Freshness(pd.Timedelta(days=7))]
for rule in contract:
    print(rule.judge(seen).sentence)

# %% [markdown]
# Four rules, four failures: `profile` wrote down what the frame is like, and each rule read its part of it.

# %% [markdown]
# ## The whole gate
#
# All demands together are a [**policy**](GLOSSARY.md#policy): a list of rules.

# %%
from mlops_lab import GatePolicy

GatePolicy([floor, no_worse, every_airport])

# %% [markdown]
# The pipeline's own policy, `FLIGHTS_POLICY`, has eleven rules. `evaluate_gates` judges a version by every one of them,
# also after the first that fails, because whoever has to mend the model wants to know everything at once. The pipeline
# has done it for us and kept the report.

# %%
predict("03.p6")

# %%
from mlops_lab import Registry, evaluate_gates

registry = Registry(home.name, clock=clock)
registry.get_gate_report("late_flights", 3)

# %% [markdown]
# Five of eleven fail. Any one of the five would have been enough.
#
# What about the very first model, which had nobody to be compared with?

# %%
predict("03.p7")

# %%
first = registry.get_gate_report("late_flights", 1)
print(*[f"{'pass' if one.passed else 'fail'}  {one.sentence}" for one in first.results[:3]], sep="\n")
only_compares = GatePolicy([no_worse])
first_version = registry.get_model_version("late_flights", 1)
alone = evaluate_gates(first_version, None, only_compares, measured=measured["June"], at=clock.now())
print("by a policy that only compares:", *[one.sentence for one in alone.failures], sep="\n  ")

# %% [markdown]
# It had to reach the floor. A policy that only compares shows nothing about a first model, so by such a policy the gate
# lets none through.

# %% [markdown]
# ## Try it yourself
#
# The panel below judges real measurements: July's model, the colleague's, and June's model again, as if somebody wanted
# it back. Nothing is trained meanwhile; the gate just judges again.
#
# 1. Raise the floor until July's model is refused. What happens to the tasks after the gate?
# 2. Choose the colleague's model and lower the floor, the slice floor and everything you find. Does it get through?
# 3. Choose June's model. Which two margins to the champion let it through?
# 4. Let the served AUC be NaN.
#
# **Reset** brings everything back. Before you begin, the second task as a prediction:

# %%
predict("03.p8")

# %%
from mlops_lab import GatePanel

june_again = replace(measured["July"], metrics=measured["July"].champion, champion=measured["July"].metrics)
panel = GatePanel({"July": measured["July"], "colleague": measured["colleague"], "June again": june_again})
panel

# %% [markdown]
# What you move by hand can be moved from Python too. The second task, as far as the sliders go:

# %%
panel.set(model="colleague", floor=0.5, slice_floor=0.5, margin=0.05, brier_margin=0.05)
print(*[result.sentence for result in panel.report.failures], sep="\n")
panel.reset()

# %% [markdown]
# Four rules still say no, in place of five. The floor, which people argue about, was not enough. The first task and the
# fourth:

# %%
panel.set(floor=0.775)
print("floor 0.775:", panel.run.states)
panel.reset()
panel.set(served_auc="is NaN")
print("NaN, refused by:", *[result.rule for result in panel.report.failures])
panel.reset()

# %% [markdown]
# The tasks after the gate are `upstream_failed`, and each rule that needs the missing figure says no. The third task:

# %%
for margins in ({}, {"margin": 0.01}, {"margin": 0.01, "brier_margin": 0.003}):
    panel.set(model="June again", **margins)
    failed = [result.sentence.split()[0] for result in panel.report.failures]
    print(margins, f"refused for {' and '.join(failed)}" if failed else "passed")
panel.reset()

# %% [markdown]
# June's model is 0.009 worse in AUC and just under 0.003 worse in Brier score, so two small changes of the margins let
# it pass. Agree on a margin *before* anybody has seen the challenger.
#
# **Exercise 03.3.** Write a policy, `GatePolicy([…])`, that refuses three models: one that leaks, one that fails one
# airport, and one that is clearly worse than the champion *as served*. The champion itself, trained again, must pass.
# Three or four rules are enough, and each stands above with its arguments.

# %%
from mlops_lab import check

policy = ...
check("03.3", policy)

# %% [markdown]
# Your policy judges the two models of July; while it is not written, the pipeline's does.

# %%
from mlops_lab import FLIGHTS_POLICY

mine = FLIGHTS_POLICY if policy is ... else policy
june_1, july_2, hers_3 = (registry.get_model_version("late_flights", number) for number in (1, 2, 3))
for name, version, champion in (("July", july_2, june_1), ("colleague", hers_3, july_2)):
    print(name, evaluate_gates(version, champion, mine, measured=measured[name], at=clock.now()))

# %% [markdown]
# ## On other data
#
# A clinic has two models for missed visits. A model is a function: it takes a visit and returns the chance that it will
# be missed, or None when it fails. A visit is a dict; `visit["missed"]` is True or False.
#
# **Exercise 03.4.** Write the comparison; return True or False. Where there are no visits, or one of the models gives
# None for one of them, nothing is shown to be good.


# %%
from mlops_lab import check


def replaces(champion, challenger, visits, margin):
    """True when the challenger's Brier score on these visits is at most `margin` above the champion's."""
    ...


check("03.4", replaces)

# %% [markdown]
# ## What you can do now
#
# You can write a gate in which a missing figure is a no, compare a challenger with the champion on the same flights,
# and name the fault that each rule is there for. The registry (notebook 04) and the workflows (notebook 06) make sure
# that nobody walks round the gate.
#
# **The same in real tools.** [MLflow](https://mlflow.org/docs/latest/ml/evaluation/) compares a candidate with a
# baseline against thresholds (`MetricThreshold`, `validate_evaluation_results`). TensorFlow Extended calls a passed
# gate a [blessing](https://www.tensorflow.org/tfx/guide/evaluator). Data contracts are the trade of
# [Great Expectations](https://docs.greatexpectations.io/) and [pandera](https://pandera.readthedocs.io/). They
# judge the figures they are given; what a model would have been served, you still have to replay. Tests of behaviour
# have a catalogue of their own, [CheckList](https://aclanthology.org/2020.acl-main.442/).
#
# Next: [Which model is in charge, and who said so?](04_model_registry.ipynb)
