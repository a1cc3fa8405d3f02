# %% [markdown]
# # How do I do this with my own data?
#
# Flights were the example. Here is another data set, and a number instead of a yes or no. At the end you lay out a
# project of your own, from your own file.
#
# After this notebook you can
#
# - find a leak in a problem before anything is trained, and repair it.
#
# You need notebooks 01 and 03, and about 20 minutes. The data is Seattle's daily weather of 2012 to 2015, observed by
# NOAA and in the public domain; the package `vega_datasets` carries it, and so do we. Every morning at six somebody
# asks: how warm will it get today?

# %%
from mlops_lab import draw_map

draw_map("10")

# %%
from mlops_lab import predict

predict("10.p1")

# %%
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from mlops_lab import FakeClock, find_leaks, load_problem, new_project, outcome, print_tasks, run_problem

place = TemporaryDirectory()
new_project(Path(place.name) / "warm_days")
problem = load_problem(Path(place.name) / "warm_days" / "problem.py")
problem

# %% [markdown]
# A whole problem is one page. `new_project` is the command `mlops-lab new`. The page it lays out says who is asked
# about, from which rows, which features there are and since when they are known, what is predicted, and how good that
# has to be.

# %%
problem.rows.head(3)

# %% [markdown]
# One row is one decision. `event_timestamp` is six in the morning in Seattle; `label_timestamp` is midnight, when the
# day's maximum is known. The features come from two honest views and a leak.

# %%
{name: [view.name for view in service.features] for name, service in problem.services.items()}

# %% [markdown]
# `same_day` holds the minimum, the wind, the rain and the weather of the very date, joined on the date.
# Which of its features can nobody know at six?

# %%
predict("10.p2")

# %%
report = find_leaks(problem)
report.to_frame()

# %% [markdown]
# The table has a rank correlation with the warmth of the day: `offline` as the definitions say, `served` as the rows
# landed. All of `same_day` is accused, because its row of a date is written when the date is over.

# %%
predict("10.p3")

# %%
report.leaks[0].sentence

# %% [markdown]
# `find_leaks` trains nothing: each feature alone ranks the days.
#
# The pipeline is the one you know, with the same eleven tasks. The figure is the mean absolute error in °C, of which
# less is better.

# %%
predict("10.p4")

# %%
home = Path(place.name) / "home"
clock = FakeClock("2016-01-02")
told = {"model": "ridge", "author": "ada"}
runs = {}
for name in problem.services:
    print(f"{name}:")
    runs[name] = run_problem(problem, home, params={**told, "features": name}, clock=clock, on_event=print_tasks)
{name: outcome(run) for name, run in runs.items()}

# %%
runs["same_day"].task("gate").why

# %% [markdown]
# The leak is half a degree better offline, and worse as served: good enough for the other rules, and refused for what
# it lost. It is the story of the flights, in another unit.
#
# **Exercise 10.1.** On other data than the flights the repair is the same. `days` has a row for each date, with
# `event_timestamp` (six in the morning), `label_timestamp` (when the date is over) and `rain`. Keep the event time, and
# say since when the rain is known.


# %%
from mlops_lab import check


def known_rain(days):
    """Columns event_timestamp, created_timestamp and rain: each day's rain, and since when it is known."""
    ...


check("10.1", known_rain)

# %% [markdown]
# ## The flights are such a page
#
# What you have used in ten notebooks is a `Problem` too, and every command takes the problem of the home folder.

# %%
from mlops_lab import FLIGHTS

[FLIGHTS, problem]

# %% [markdown]
# ## Your own file
#
# Take a CSV with one row a decision. `mlops-lab new mine --from my.csv` looks at it and writes the page. It says what
# it guessed, and what you have to say. Here we make a small file; put the path of yours in its place.

# %%
predict("10.p5")

# %%
import numpy as np
import pandas as pd

chance = np.random.default_rng(0)
asked = pd.Timestamp("2025-01-06T08:00Z") + pd.to_timedelta(np.sort(chance.uniform(0, 180, 3000)), unit="D")
clinic = chance.integers(0, 20, 3000)
wait = chance.gamma(2, 6, 3000).round(1)
missed = chance.random(3000) < 1 / (1 + np.exp(2.2 - 0.05 * wait - chance.normal(0, 0.8, 20)[clinic]))
mine = pd.DataFrame({"visit": [f"v{i}" for i in range(3000)], "clinic": [f"c{i}" for i in clinic], "asked_at": asked})
mine = mine.assign(wait_days=wait, closed_at=asked + pd.Timedelta(days=1), missed=missed)
mine.to_csv(Path(place.name) / "mine.csv", index=False)

# %%
folder = Path(mkdtemp(dir=place.name)) / "mine"  # a project begins in a folder of its own
proposal = new_project(folder, data=Path(place.name) / "mine.csv", label="missed")
list(proposal.guessed)

# %%
predict("10.p6")

# %%
list(proposal.unknown)

# %% [markdown]
# Confirm the first list, and answer the second: that is the work which nobody can do for you. You do it here, in
# `problem.py`, the one page of the project:

# %%
print((folder / "problem.py").read_text(encoding="utf-8"))

# %%
predict("10.p7")

# %%
own = load_problem(folder / "problem.py")
ended = {}
for name in own.services:
    facts = {"features": name}
    ended[name] = outcome(run_problem(own, Path(place.name) / "own", params=facts, on_event=print_tasks))
ended

# %% [markdown]
# `same_day` is here for practice: means of the very day, which the gate refuses. Three commands do the same in a
# terminal: `mlops-lab leaks problem.py`, `mlops-lab run problem.py` and `python -m pytest`.

# %%
place.cleanup()  # a project of your own belongs into a folder that stays

# %% [markdown]
# ## What you can do now
#
# You can describe a problem on one page, find what knows too much, and take an honest model through the same gate,
# registry and rollout with your own data. The maxim of the whole course: *ask of every column when it was known.*
#
# **The same in real tools.** `mlops-lab export airflow --home DIR` (or prefect, feast, kubernetes, sagemaker, vertex)
# writes this pipeline for [Airflow](https://airflow.apache.org/docs/) and its kin; the workflows of the new project are
# ordinary [GitHub Actions](https://docs.github.com/actions).
