# %% [markdown]
# # Will this flight be late?
#
# New York, 2013. Two hours before departure an airline asks whether a flight will arrive more than 15 minutes late, or
# not at all. Passengers are rebooked on the answer. **You** decide which model gives it.
#
# Two models took the same exam *offline*: on four months of stored flights that neither had seen. The score says how
# often a model ranks a late flight above a punctual one: 0.5 is a coin, 1 is perfect. It is called
# [**AUC**](GLOSSARY.md#AUC).
#
# Run a cell with **Shift+Enter**. This notebook takes about 30 minutes.

# %%
from mlops_lab import plot_bars

plot_bars("Score offline", {"model A": 0.90, "model B": 0.74}, "AUC")

# %% [markdown]
# Choose, and press **Commit**. (No buttons? See `docs/elsewhere.md`.) Then run the next cell and see what the
# passengers got: the score *as served*, with only what was known when the airline asked.

# %%
from mlops_lab import predict

predict("00.p1")

# %%
from mlops_lab import what_came

plot_bars("Score offline and as served", what_came("00.p1"), "AUC")

# %% [markdown]
# How could that be, and who should have noticed? In this notebook you train both models and measure these numbers.
#
# After this notebook you can
#
# - name the steps of a machine learning pipeline, and run one on 336,776 real flights,
# - read the trace of a run and the drawing of its tasks,
# - write the rule that refuses a model which is good offline and bad as served.
#
# You need Python and a little pandas. Each notebook begins with this map: the pipeline, and in blue what the notebook
# is about. Its words are explained as they come up.

# %%
from mlops_lab import draw_map

draw_map("00")

# %% [markdown]
# Is everything installed?

# %%
from pathlib import Path

from mlops_lab import datasets, examine

missing = [check.name for check in examine(Path(".mlops_lab")) if check.good is False]
print("ready" if not missing else f"missing: {', '.join(missing)}")

# %% [markdown]
# ## The flights
#
# One row is one flight; `sched_dep` is its scheduled departure, in UTC. Delays are in minutes. Cancelled flights stay
# in: their passengers have to be rebooked too.

# %%
flights = datasets.load_flights()
flights[["flight_id", "dest", "sched_dep", "dep_delay", "arr_delay", "cancelled"]].head(4)

# %%
answers = datasets.outcomes(flights)
print(f"{len(flights):,} flights, {answers['late'].mean():.1%} of them late or never arrived")

# %%
predict("00.p2")

# %%
from mlops_lab import plot_line

hour = flights["sched_dep"].dt.tz_convert("America/New_York").dt.hour
late_by_hour = answers["late"].groupby(hour).mean().loc[5:22]
plot_line(
    "Share of late flights by hour of scheduled departure",
    {"late": (late_by_hour * 100).round(1).tolist()},
    x=late_by_hour.index.tolist(),
    x_label="hour in New York",
    y_label="late flights (%)",
)

# %% [markdown]
# Delays pile up. So it helps to know what happened earlier today, *if it is known in time*.

# %% [markdown]
# ## The pipeline
#
# A model is the result of steps that have to be repeated: check the data, compute features, train, judge, promote
# (decide that this model is used), put to work. Each step is a [**task**](GLOSSARY.md#task). The tasks, and who waits
# for whom, make a [**DAG**](GLOSSARY.md#DAG): a directed graph without cycles.

# %%
from mlops_lab import draw_dag, flights_pipeline

dag = flights_pipeline()
draw_dag(dag, direction="TB")

# %% [markdown]
# An arrow leads from a task to one that waits for it. A task starts when all that it waits for have succeeded. The
# boxes name exceptions: `none_failed` (none of them failed; skipped is not failed) and `all_done` (whatever became of
# them). The line above them says when it runs (`0 6 * * *` is every day at six) and its params, such as the features.

# %%
predict("00.p3")

# %% [markdown]
# ## One night
#
# The pipeline runs for the night after the last flight of 2013; `FakeClock` pretends that it is then, and `home` is the
# folder where all is kept. The model learns from January to August and is examined on September to
# December. Each task is printed when it ends: ✓ succeeded, ✗ failed, – skipped itself, ⊘ never ran.

# %%
import tempfile

from mlops_lab import FakeClock, print_tasks, run_flights

home = tempfile.TemporaryDirectory()
clock = FakeClock("2014-01-01")
honest = run_flights(home.name, date="2014-01-01", clock=clock, on_event=print_tasks)

# %%
honest

# %% [markdown]
# This is the [**trace**](GLOSSARY.md#trace): what ran, in which order, how often, and how it ended.
#
# The [**registry**](GLOSSARY.md#registry), where each model is written down, keeps the gate's report. The
# [**champion**](GLOSSARY.md#champion) is the model in charge; tonight there is none yet. A
# [**slice**](GLOSSARY.md#slice) is a part of the flights, here an airport. [**Calibration**](GLOSSARY.md#Calibration)
# asks whether 30 % of the flights called "30 %" are late. The [**Brier score**](GLOSSARY.md#Brier-score) is the mean
# squared error of those chances.

# %%
from mlops_lab import Registry

registry = Registry(home.name, clock=clock)
registry.get_gate_report("late_flights", 1)  # 336,520 of the 336,776 flights had an outcome by midnight

# %% [markdown]
# Eleven rules, each with a figure and a reason. `no_worse_than_champion` is there twice, for AUC and for the Brier
# score; the last four are about the data. The most important is `served_skew`. It compares the `offline` figure with
# the `served` one: what the model would have reached with the features that were known in time. Here they are equal.
#
# **Exercise 00.1.** If one rule fails, the task `gate` fails. From the drawing: which of `approve`, `promote`,
# `materialize`, `roll_out` and `report` would then never run? Give a set of names, such as `{"train", "gate"}`. (Stuck?
# `hint("00.1")` in a cell of your own, and again for the next hint.)

# %%
from mlops_lab import check, hint

never = ...  # a set of names
check("00.1", never)

# %% [markdown]
# ## The other team
#
# A colleague takes the daily table that everybody uses: the average delay by date, for each airport, carrier and route.
# She joins it on the date. This is model A.

# %%
predict("00.p4")

# %%
hers = {"features": "daily_averages"}
leaking = run_flights(home.name, date="2014-01-01", params=hers, clock=clock, on_event=print_tasks)
draw_dag(dag, leaking, direction="TB")

# %% [markdown]
# The gate failed. What waits for it is `upstream_failed`, except `report`, whose rule is `all_done`. Why did the gate
# say no?

# %%
registry.get_gate_report("late_flights", 2)

# %% [markdown]
# Six rules failed, and `served_skew` tells the story. Here are the four numbers again, measured by you:

# %%
from mlops_lab import Tracker

runs = {run.params["feature_service"]: run for run in Tracker(home.name).search_runs()}
measured = {
    name: {kind: round(runs[name].metrics[f"{kind}.roc_auc"], 3) for kind in ("offline", "served")}
    for name in ("daily_averages", "as_known")
}
plot_bars("AUC offline and as served", measured, "AUC")

# %%
from mlops_lab import quiz

quiz("00.q1")

# %% [markdown]
# The average of a date contains its evening. In the training data the morning's flights were told about the evening;
# as served, in the morning, nobody can tell the model. This is a [**leak**](GLOSSARY.md#leak). No chart of
# the training data shows it; a replay of what was really known does.
#
# **Exercise 00.2.** Write the rule: return True when the served figure is 0.66 or more and no more than 0.02 is lost
# from offline to served, else False. (For the loss, `<` and `<=` are both right.)


# %%
from mlops_lab import check


def may_replace(offline, served):
    """True when the model may go to work; both figures are AUCs."""
    ...


check("00.2", may_replace)

# %% [markdown]
# ## What is on record?
#
# The registry writes down each step.

# %%
predict("00.p5")

# %%
registry.history("late_flights")  # Brier 0.214: the 646 flights of one day; 0.140 in the report: four months

# %% [markdown]
# Version 1 is in [**Production**](GLOSSARY.md#Production), the registry's word for "at work"; `Staging` comes before
# it. Events 5 to 7 put it to work (notebook 07): `weights 100` means for 100 % of the flights.
# `failed` is what a refused report is called.

# %% [markdown]
# ## On other data
#
# A clinic asks at 18:00 on the day before a visit: will this patient miss it? Its records have these columns, each
# written at another time.

# %%
import pandas as pd

written = {
    "wait_days": "when the visit is booked",
    "missed_before": "when the visit is booked",
    "reminder_opened": "at noon on the day before the visit",
    "clinic_missed_day": "at the midnight that ends the date of the visit",
    "clinic_missed_week": "on Sunday night, about the week that is over",
    "doctor_late": "when the visit begins",
}
pd.Series(written).to_frame("written")

# %% [markdown]
# **Exercise 00.3.** Which of them may the model use?

# %%
from mlops_lab import check

usable = ...  # a set of names
check("00.3", usable)

# %% [markdown]
# ## What you can do now
#
# You have run a pipeline, read its trace and written the rule that refuses a leak. Each notebook now opens one part:
#
# | notebook | question |
# |---|---|
# | [01 feature views](01_feature_views.ipynb) | What was known, and when? |
# | [02 training](02_training.ipynb) | How do I train so that I can do it again? |
# | [03 evaluation gate](03_evaluation_gate.ipynb) | What must be true before a model may replace another? |
# | [04 model registry](04_model_registry.ipynb) | Which model is in charge, and who said so? |
# | [05 orchestration](05_orchestration.ipynb) | Who runs this at night, and what if it fails? |
# | [06 CI gating](06_ci_gating.ipynb) | How do I make sure nobody skips the gate? |
# | [07 rollout](07_rollout.ipynb) | How do I put it to work, and take it back? |
# | [08 real engines](08_real_engines.ipynb) | What changes when Feast and MLflow do the work? |
# | [09 capstone](09_capstone.ipynb) | Can you ship something better? |
# | [10 your turn](10_your_turn.ipynb) | How do I do this with my own data? |
#
# `progress()` from `mlops_lab` shows what you have done so far. Every bold word stands in the [glossary](GLOSSARY.md).
#
# **The same in real tools.** What you called `run_flights` is a DAG run in
# [Airflow](https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html) or a flow run in
# [Prefect](https://docs.prefect.io/). Features live in a feature store such as [Feast](https://docs.feast.dev/),
# versions in a registry such as [MLflow](https://mlflow.org/docs/latest/ml/model-registry/).
