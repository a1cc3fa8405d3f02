# %% [markdown]
# # What changes when Feast and MLflow do the work?
#
# This course keeps features and models with a package small enough to read. At work you will meet Feast and MLflow.
# They use the same words. Do they mean the same?
#
# After this notebook you can
#
# - say which promises Feast and MLflow keep by themselves, and which ones your team has to bring,
# - repair an answer that lost rows on its way,
# - say what of a pipeline changes when other engines do the work,
# - move a registry to another place with its whole history, and prove that nothing was lost,
# - say when a real deployment is worth its servers.
#
# You need notebooks 01 and 04. Feast and MLflow need not be installed: what they answered is kept. About 45 minutes.

# %%
from mlops_lab import draw_map

draw_map("08")

# %% [markdown]
# ## The same words
#
# A team has read that MLflow has a model registry with versions, stages and aliases. So does this course. The team
# moves its models over and writes `transition_model_version_stage` where it wrote `promote`. What could go wrong?
#
# We ask both the same questions, each in an empty home folder.

# %%
from mlops_lab import predict

predict("08.p1")

# %%
from mlops_lab import ask_registries

answers = {answer.promise: answer for answer in ask_registries()}
first = answers["from None straight to Production"]
print("here:        ", first.ours)
print("MLflow alone:", first.alone)

# %% [markdown]
# Here a new version that wants to go straight to Production is refused. MLflow's own client just does it. There was no
# gate, no report and no second person.
#
# (Where MLflow is not installed, you see what it answered when the course's tests asked it last.)

# %% [markdown]
# **Exercise 08.1.** In an MLflow that stands alone, version 1 is moved to Production. Later version 2 is moved to
# Production, with the same call. Which stage does each version have now? Write the two words in quotes. (Stuck?
# `hint("08.1")`, more than once.)

# %%
from mlops_lab import check, hint

stages = {"v1": ..., "v2": ...}

check("08.1", stages)

# %%
second = answers["after a second promotion"]
print("here:        ", second.ours)
print("MLflow alone:", second.alone)

# %% [markdown]
# Two versions in Production: whoever asks for the model gets one of them. MLflow is not wrong. Some teams want two at
# once, and an argument of the call archives the former one. A team has to bring its own rules.

# %% [markdown]
# ## The rules come along
#
# `MlflowRegistry` brings the course's rules and keeps everything in MLflow. Here is the whole list: each question, and
# what the embedded registry, MLflow with those rules, and MLflow alone answer.

# %%
predict("08.p2")

# %%
for answer in answers.values():
    print(answer.promise)
    print(f"    here                   {answer.ours}")
    print(f"    MLflow with our rules  {'the same' if answer.kept else answer.mlflow}")
    if answer.alone is not None:
        print(f"    MLflow alone           {answer.alone}")

# %% [markdown]
# The answers in the middle that are not "the same":

# %%
different = [answer.promise for answer in answers.values() if not answer.kept]
len(answers), different

# %% [markdown]
# Two of eighteen, and both have a reason. MLflow's aliases are letters, digits, dashes and underscores, so an alias
# with a dot is refused there. And a version in MLflow points to the files of its run, so the run has to be in the same
# MLflow.

# %% [markdown]
# ## Where the history lives
#
# Stages, tags and aliases in MLflow can be overwritten, versions can be deleted. Only a run's **param** is written
# once: a second writer is refused. So the history is a run of its own, and each event is a param:
#
# | param | value |
# |---|---|
# | `event.000001.0` | version 1 was registered by ada, and the hash of all that |
# | `event.000002.0` | its gate report passed, and the hash of all that and of the event before |
# | … | … |
#
# Two machines that promote at once both try to write the next number. One is refused, reads what happened, and decides
# again. Stages, aliases and tags on MLflow's pages are made from the history afterwards.

# %%
from mlops_lab import quiz

quiz("08.q1")

# %% [markdown]
# ## Features: what comes back
#
# Feast has been asked as well. It has several places to keep history, its [**offline
# stores**](GLOSSARY.md#offline-stores). The default one reads files with a library called Dask. Here are three of the
# promises that the course's store keeps:

# %%
predict("08.p3")

# %%
from mlops_lab import conformance, differences_of

for difference in differences_of("dask"):
    if difference.promise in ("every entity row comes back", "duplicates come back", "in the order given"):
        print(f"{difference.promise}?")
        print(f"    Feast alone: {difference.feast}")
        print(f"    {difference.outcome}: {difference.how}")

# %% [markdown]
# Without an error, the flights without weather are gone, and the labels no longer stand beside their rows. Here is a
# store that behaves like that, with the wind at three airports. Four flights go in:

# %%
import pandas as pd

known = {("EWR", 6): 11.0, ("EWR", 7): 12.5, ("JFK", 6): 9.0}


def ask(entity_df):
    """A store that loses rows: answers by airport and time, in an order of its own."""
    rows = entity_df.drop_duplicates(["origin", "event_timestamp"])
    winds = [known.get((row.origin, row.event_timestamp.hour)) for row in rows.itertuples()]
    return rows.assign(wind=winds).dropna(subset=["wind"]).sort_values("origin", ascending=False)


flights = pd.DataFrame({"flight": ["UA 1", "B6 2", "UA 3", "AA 4"], "origin": ["EWR", "JFK", "EWR", "LGA"]})
flights["event_timestamp"] = pd.to_datetime(
    ["2013-01-01 07:00", "2013-01-01 06:00"] + ["2013-01-01 07:00"] * 2, utc=True
)
ask(flights)[["flight", "origin", "wind"]]

# %% [markdown]
# Two of four come back, in another order. UA 3 left from the same airport at the same time as UA 1, and the store took
# them for one. For AA 4 nothing was known, and it is gone.
#
# **Exercise 08.2.** Write `every_row(ask, entity_df)`: it asks the store, and returns `entity_df`, every row, in order,
# with a column `wind`, missing where nothing was known. It will be tried on other flights.

# %%
from mlops_lab import check

every_row = ...

check("08.2", every_row)

# %% [markdown]
# `FeastStore`, the course's adapter, does the same for every question.

# %%
predict("08.p4")

# %%
table = pd.DataFrame(conformance()).set_index("promise")
table.apply(lambda column: column.value_counts()).fillna(0).astype(int).sort_index()

# %% [markdown]
# `kept`: Feast keeps the promise by itself. `repaired`: the adapter puts it right, as you just did. `refused`: one
# clear error instead of a wrong answer. `left`: nobody could repair it. The columns are three offline stores, and these
# are the promises that are left:

# %%
table[(table == "left").any(axis=1)]

# %% [markdown]
# ## The same pipeline
#
# The team's nightly pipeline moves to Feast and MLflow, too.

# %%
from mlops_lab import quiz

quiz("08.q2")

# %% [markdown]
# Nothing of the pipeline knows where features and models are kept. It asks `open_feature_store`, `open_tracker` and
# `open_registry`, and they look into the home folder:

# %%
import tempfile

from mlops_lab import choose_engines, engines_of

home = tempfile.TemporaryDirectory()
engines_of(home.name)

# %% [markdown]
# Run it here, on one month of flights, first with features as they were known, then with the leaking daily averages of
# notebook 01:

# %%
predict("08.p5")

# %%
from mlops_lab import KEPT_RUN, FakeClock, kept_runs, open_tracker, outcome, print_tasks, run_flights

clock, figures = FakeClock(), {}
for features in ("as_known", "daily_averages"):
    facts = {**KEPT_RUN, "features": features}
    run = run_flights(home.name, date="2013-06-01", params=facts, clock=clock, on_event=print_tasks)
    metrics = open_tracker(home.name, clock=clock).get_run(run.result("train")["run_id"]).metrics
    figures[features] = {name: round(metrics[name], 3) for name in ("offline.roc_auc", "served.roc_auc")}
    figures[features]["verdict"] = outcome(run)

pd.DataFrame(figures)

# %% [markdown]
# And what came out when Feast kept the features and MLflow the models, with `mlops-lab run --features-engine feast
# --registry-engine mlflow`:

# %%
other = pd.DataFrame({features: kept_runs()[features]["feast and mlflow"] for features in figures})
other.loc[["offline.roc_auc", "served.roc_auc", "verdict"]]

# %%
all(kept_runs()[features]["feast and mlflow"] == figures[features] for features in figures)

# %% [markdown]
# The same figures to the third decimal, and the same verdicts. If a store dropped rows, the figures would move.

# %% [markdown]
# ## Moving house
#
# A registry is **copied** to another engine, and the copy is proved: every event is written again and has to get the
# hash that it had. (`mlops-lab registry copy --to mlflow`; here we copy into another home folder, which is the same
# work.)

# %%
predict("08.p6")

# %%
from mlops_lab import Registry, Tracker, copy_registry

there = tempfile.TemporaryDirectory()
source, target = Registry(home.name, clock=clock), Registry(there.name, clock=clock)
trackers = {"runs": Tracker(home.name, clock=clock), "target_runs": Tracker(there.name, clock=clock)}
copied = copy_registry(source, target, **trackers)
print(copied.runs, "runs,", copied.events, "events")
print("the same last hash:", source.head() == target.head())  # made of all the hashes before it

# %% [markdown]
# Copy it once more, and then into a registry with another history:

# %%
predict("08.p7")

# %%
from mlops_lab import MlopsLabError

if source.head() == target.head():  # until somebody writes into one of them
    print(copy_registry(source, target, **trackers).events, "events the second time")
    target.set_tag("late_flights", 1, "team", "delays", actor="ada")
try:
    copy_registry(source, target, **trackers)
except MlopsLabError as error:
    print(error)

# %% [markdown]
# On other data: a clinic had its registry copied by somebody else. Two registries are open, and nobody knows
# whether the copy is whole.
#
# **Exercise 08.3.** Write the proof. `head()` is the hash of the last event; `verify()` computes every hash again, and
# raises `IntegrityError` when one is wrong.

# %%
from mlops_lab import IntegrityError, check


def nothing_lost(source, target):
    """True when the target registry holds the source's whole history, unchanged."""
    ...


check("08.3", nothing_lost)

# %% [markdown]
# ## What it looks like
#
# MLflow and Feast themselves, after that pipeline run. On MLflow's page of one version stands the alias `champion`;
# among the tags is the gate's verdict, and the report begins below it.

# %%
from mlops_lab import engine_picture

engine_picture("mlflow_version")

# %% [markdown]
# Feast's page of the feature service that the model was trained on:

# %%
engine_picture("feast_service")

# %% [markdown]
# ## Taking the definitions with you
#
# Entities, feature views and services are data, so they can be written down in the words of another tool: as a
# repository that Feast's own `feast apply` takes, or as one for Tecton, a feature platform that is bought as a service
# and belongs to Databricks since 2025. On the command line that is `mlops-lab export feast --to DIR` and `mlops-lab
# export tecton --to DIR`.

# %%
from mlops_lab import flight_objects, to_tecton_repository

written = to_tecton_repository(flight_objects())["features.py"]
view = written[written.index('    name="airport_departures",') :]
print("@batch_feature_view(\n" + view[: view.index("@pandas_batch_config")].rstrip())

# %% [markdown]
# The words are nearly ours. One line has no counterpart here: the `batch_schedule`. In Tecton a row counts from the end
# of its batch, so a feature is up to an hour older there than in this course.
#
# Tecton needs an account, and this course has none. The tests build these objects and run their transformations with
# its public library. `TECTON_UNCHECKED` in `mlops_lab` lists what nobody can check without an account.

# %% [markdown]
# ## What a real deployment adds
#
# A deployment for a company has the same parts, with a server, accounts, backups and upgrades around each. Every part
# is work for somebody, every week. When is it worth it?
#
# | stay here while | move when |
# |---|---|
# | one person, or one machine, writes to the registry | several people or machines write: MLflow with PostgreSQL |
# | one process asks for online features | several servers ask: Feast with Redis or the like |
# | the history fits into memory (some ten million rows) | it does not: Feast's Spark store, or a warehouse |
#
# The course's tests tried the first step of each: two processes promoting at once on PostgreSQL, and the join of the
# whole year on Spark.

# %%
predict("08.p8")

# %% [markdown]
# Some twenty seconds; its DuckDB store needs some two. The sizes were measured on two cores.
#
# **Exercise 08.4.** One of each. Which engine would you begin with? Use "embedded", "mlflow", "feast" and "spark".

# %%
from mlops_lab import check

choice = {
    "one person, one laptop, a course": ...,
    "a team of five that trains every night": ...,
    "features for a thousand requests a second on three servers": ...,
    "a history table of a terabyte": ...,
}

check("08.4", choice)

# %% [markdown]
# ## What you can do now
#
# You have asked two registries the same questions, repaired an answer that had lost rows, run one pipeline on two sets
# of engines, copied a registry with its history, and can say when a server is worth its work.
#
# To do it for real, install an engine into an environment of its own: `python start.py test-engines feast-mlflow` makes
# one and proves it, and then
#
#     .venv-feast-mlflow/bin/python -m mlops_lab run --home other --features-engine feast --registry-engine mlflow
#
# In the documentation of the real tools:
#
# - Feast: [offline stores](https://docs.feast.dev/reference/offline-stores),
#   [point-in-time joins](https://docs.feast.dev/getting-started/concepts/point-in-time-joins)
# - MLflow: [model registry](https://mlflow.org/docs/latest/ml/model-registry/), [why stages were
#   deprecated](https://github.com/mlflow/mlflow/issues/10336), [tracking
#   server](https://mlflow.org/docs/latest/self-hosting/architecture/tracking-server/)
