# %% [markdown]
# # Will this flight be late?
#
# New York, 2013. Two hours before a flight is due to leave, somebody asks: will it arrive more than 15 minutes late,
# or not at all? Passengers are rebooked on the answer. In this course you build the machine that gives it, every
# night, without anybody watching, and that says no when it should.
#
# After this notebook you can
#
# - say what a pipeline for machine learning is made of, and run one on 336,776 real flights,
# - read the trace of a run and the drawing of its tasks,
# - recognise a model that is wonderful on paper and bad in service, and say what stopped it.
#
# You should be able to read Python and a little pandas; of MLOps you need to know nothing, and every word is explained
# where it first matters. This notebook takes about 20 minutes, the whole course some eight hours and a half.
#
# Run a cell with **Shift+Enter**, from top to bottom. Nothing here needs the internet, and nothing you do can break the
# course. After an error that you do not understand: menu **Kernel**, **Restart Kernel and Run All Cells**.

# %% [markdown]
# Is everything in its place? The doctor looks at Python, the packages, the data and the drawing program.

# %%
from pathlib import Path

from mlops_lab import examine

missing = [check.name for check in examine(Path(".mlops_lab")) if check.good is False]
print("ready" if not missing else f"missing: {', '.join(missing)}")

# %% [markdown]
# Should it ever say something else, `python -m mlops_lab doctor` tells line by line what is wrong and how to mend it.

# %% [markdown]
# ## The flights

# %%
from mlops_lab import datasets

flights = datasets.load_flights()
flights[["flight_id", "dest", "sched_dep", "dep_delay", "arr_delay", "cancelled"]].head(4)

# %% [markdown]
# One row a flight. Times are UTC, delays are minutes. Cancelled flights stay in: whoever rebooks passengers has to
# know about them most of all.

# %%
answers = datasets.outcomes(flights)
print(f"{len(flights):,} flights, {answers['late'].mean():.1%} of them late or never arrived")

# %% [markdown]
# A quarter are late. Is the share the same at every hour? Choose before you run the next cell.

# %%
from mlops_lab import predict

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
# In the morning one flight in eight is late, in the evening four in ten: delays pile up over the day. So what
# happened earlier today is worth knowing, *if it is known in time*. Remember that sentence.

# %% [markdown]
# ## The pipeline
#
# A model is not a file that somebody made once. It is the result of steps that have to be repeated: check the data,
# compute features, train, judge, promote, put to work. Each step is a **task**, and who waits for whom makes a
# **DAG**, a directed graph without cycles.

# %%
from mlops_lab import draw_dag, flights_pipeline

dag = flights_pipeline()
draw_dag(dag, direction="TB")

# %% [markdown]
# Read it from top to bottom; an arrow leads from a task to one that waits for it. Nothing has run yet: every task is
# still white. The `gate` stands between a trained model and everything that could hurt a passenger.
#
# Some boxes say when they start. Usually a task starts only when all that it waits for have succeeded. `none_failed` is
# a little kinder: those before may also have been skipped. `all_done` waits for their end, whatever it was. (The grey
# lines above the drawing, with the schedule and the params, are for notebook 05.)

# %% [markdown]
# ## One night
#
# It is the night after the last flight of 2013. We run the whole pipeline: it learns from January to August and is
# examined on September to December. Everything it keeps goes into a folder of its own, and the clock is a toy one, so
# that nobody has to wait.

# %%
import tempfile

from mlops_lab import FakeClock, run_flights

home = tempfile.TemporaryDirectory()
clock = FakeClock("2014-01-01")
honest = run_flights(home.name, date="2014-01-01", clock=clock)
honest

# %% [markdown]
# The **trace** says what ran, in which order, how often, and how it ended. `approve` skipped itself, because nobody
# has asked for an approval yet. Here is the same run as a drawing:

# %%
draw_dag(dag, honest, direction="TB")

# %% [markdown]
# What did the gate look at? Its first figure is the **AUC** (`roc_auc`): how often the model ranks a late flight above
# a punctual one. 0.5 is a coin, 1 is perfect. The **champion** is the model in charge, and tonight there is none yet; a
# **slice** is a part of the flights, here an airport.

# %%
from mlops_lab import Registry

registry = Registry(home.name, clock=clock)
registry.get_gate_report("late_flights", 1)

# %% [markdown]
# Eleven demands, each with a figure and a reason; notebook 03 takes them one by one. The most important one hides in
# the middle: `served_skew`. It compares the figure on the chart (`offline`) with the figure the model would have had in
# service (`served`). Here they are equal, and that is the whole art.
#
# And if one of the demands were not met? Then the task `gate` fails. **Predict**, from the drawing: which of `approve`,
# `promote`, `materialize`, `roll_out` and `report` would never run? (Stuck? `hint("00.1")` in a cell of your own, and
# again for the next hint.)

# %%
from mlops_lab import check, hint, quiz

never = ...  # a set of names
check("00.1", never)

# %% [markdown]
# ## The other team
#
# A colleague has a better idea. Instead of all those features "as known two hours before", she takes the daily table
# that everybody uses: average delay by date, for each airport, carrier and route. She joins it on the date. Simple,
# and her AUC on the same four months is **0.90**; ours is 0.74.
#
# **Predict** before you run the next cell: what will the gate say?

# %%
predict("00.p3")

# %%
leaking = run_flights(home.name, date="2014-01-01", params={"features": "daily_averages"}, clock=clock)
draw_dag(dag, leaking, direction="TB")

# %% [markdown]
# The gate is red, and what waits for it never ran: `approve`, `promote`, `materialize` and `roll_out` are marked
# `upstream_failed`: a refused run changes nothing that serves. `report` runs in any case. Why did the gate say no?

# %%
registry.get_gate_report("late_flights", 2)

# %% [markdown]
# Six demands are not met. The last of the six tells the story: 0.902 on paper, 0.641 in service. Side by side:

# %%
from mlops_lab import Tracker, plot_bars

runs = {run.params["feature_service"]: run for run in Tracker(home.name).search_runs()}
plot_bars(
    "AUC on paper and in service",
    {
        name: {kind: round(runs[name].metrics[f"{kind}.roc_auc"], 3) for kind in ("offline", "served")}
        for name in ("as_known", "daily_averages")
    },
    "AUC",
)

# %% [markdown]
# The average of a date contains the evening. In the training data the morning's flights were told about the evening;
# in service nobody can tell them, because it has not happened. So the model that looks best on every chart would have
# been the worse one for every passenger. This is called a **leak**, it happens to good people, and no amount of
# looking at the chart shows it. A pipeline that replays what was really known does.
#
# Write the rule that catches her: the figure in service must reach 0.66, and at most 0.02 may be lost between paper and
# service.


# %%
def may_replace(offline, served):
    """True when the model may go to work; both figures are AUCs."""
    ...


check("00.2", may_replace)

# %%
quiz("00.q1")

# %% [markdown]
# ## Who is in charge now?

# %%
registry.history("late_flights")

# %% [markdown]
# The **registry** wrote down every step: version 1 is in **Production**, which is the registry's word for "at work"
# (5 to 7 are its way there, the subject of notebook 07); version 2 was judged and stays where it is.
# Nobody had to remember anything, and nobody could have skipped the gate.

# %% [markdown]
# ## What you can do now
#
# You have run a pipeline on real data, read its trace, and seen a gate refuse the model with the best chart. The next
# notebooks open the parts, one question each:
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
#
# In any of them, `progress()` from `mlops_lab` shows what you have done so far.
#
# **The same in real tools.** What you called `run_flights` is a DAG run in
# [Airflow](https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html) or a flow run in
# [Prefect](https://docs.prefect.io/). The features live in a feature store such as [Feast](https://docs.feast.dev/),
# the versions in a registry such as [MLflow](https://mlflow.org/docs/latest/ml/model-registry/). From the command
# line the same run is `python -m mlops_lab run`.
