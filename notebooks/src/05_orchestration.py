# %% [markdown]
# # Who runs this at night, and what if it fails?
#
# A pipeline that works on your screen is half a pipeline. The other half is a night when nobody looks: a service does
# not answer, a machine is switched off, a date is missed. An [**orchestrator**](GLOSSARY.md#orchestrator) runs the
# steps in order, tries again, gives up in time and writes down what it did.
#
# After this notebook you can
#
# - turn plain functions into tasks and a DAG, and read its order,
# - set retries, back-off and timeouts, and say what happens after a failure,
# - read a schedule, and know what it does after an outage and when the clocks change,
# - go on with a run that broke off, without doing the finished work again,
# - say what Airflow and Prefect make of the same DAG.
#
# You need notebook 00, for one section 04, and neither Airflow nor Prefect. About 95 minutes.

# %%
from mlops_lab import draw_map

draw_map("05")

# %% [markdown]
# ## A script at night
#
# Every morning somebody wants two figures: how many flights are planned, and how strong the wind is. That is a script
# of three lines, started by a timer. The flights are real; the weather service is made up and has a bad night.

# %%
from datetime import timedelta

from mlops_lab import datasets

july = datasets.load_flights(month=7, columns=["flight_id", "sched_dep"])
day = july["sched_dep"].dt.tz_convert("America/New_York").dt.day


def ask_weather_service():
    raise TimeoutError("the weather service does not answer")


# %% tags=["raises-exception"]
def night(date):
    print((day == date).sum(), "flights are planned")
    print("wind:", ask_weather_service(), "mph")  # fails, on purpose
    print("sending the report")


night(10)

# %% [markdown]
# The script died in its second line. Was it worth trying again? Which part has to be repeated? How would anybody have
# noticed?

# %% [markdown]
# ## Tasks and a DAG
#
# Write each step as a function of its own and call it a **task**. What a task returns is stored and handed to the tasks
# after it, so it is something small: a figure, a name, the path of a file, never the file itself.

# %%
from mlops_lab import DAG, run_dag, task


@task
def flights(logical_date):
    """How many flights are planned?"""
    return int((day == logical_date.day).sum())


@task
def wind():
    """How strong is the wind?"""
    return ask_weather_service()


@task
def report(flights, wind):
    """Two figures for the morning."""
    return f"{flights} flights, wind {wind} mph"


# %% [markdown]
# Inside `with DAG(...)` a call runs nothing. It only notes who waits for whom.

# %%
from mlops_lab import draw_dag

with DAG("morning") as dag:
    report(flights(), wind())
draw_dag(dag)

# %% [markdown]
# Three tasks, two edges. `flights` and `wind` wait for nothing, `report` waits for both. Arrows never lead back to
# where they came from: a directed graph without cycles, a **DAG**.
#
# Now run it for 10 July. The [**logical date**](GLOSSARY.md#logical-date) is the moment a run is *for*, not the moment
# it happens: a run for 10 July gives the same figures in August. The run's name begins with `manual`, because no
# schedule started it.

# %%
from mlops_lab import predict

predict("05.p1")

# %%
from mlops_lab import FakeClock

run = run_dag(dag, logical_date="2013-07-10", clock=FakeClock("2013-07-10T10:00Z"))
run

# %% [markdown]
# The **trace** answers what the script could not. `flights` succeeded, `wind` failed after one attempt and says why,
# `report` was not even tried: it is [**upstream_failed**](GLOSSARY.md#upstream_failed). No exception was raised here: a
# failed run is a record like any other. The tasks at the end, for which no other task waits, decide the state of a run.
# `report` did not run, so the run is `failed`.

# %% [markdown]
# ## In which order?
#
# Before a run the executor puts the tasks in an order in which each finds ready what it needs: a [**topological
# order**](GLOSSARY.md#topological-order).
#
# **Exercise 05.1.** List these six tasks in such an order, by name:

# %%
needs = {
    "promote": ("gate", "materialize"),
    "gate": ("evaluate",),
    "materialize": ("features",),
    "train": ("features",),
    "features": (),
    "evaluate": ("train",),
}
for name, waits_for in needs.items():
    print(f"{name:<12} waits for {', '.join(waits_for) or 'nothing'}")

# %%
from mlops_lab import check, hint

order = [...]

check("05.1", order)

# %% [markdown]
# Stuck? Run `hint("05.1")` in a cell of your own, and again for the next hint.
#
# More than one order is right. Ours takes the ready task that was defined first. `a >> b` means that b waits for a.
# What if three tasks wait for each other in a circle?

# %%
predict("05.p2")

# %%
from mlops_lab import CycleError


@task
def train(): ...


@task
def gate(): ...


@task
def promote(): ...


try:
    with DAG("circle"):
        first, second, third = train(), gate(), promote()
        first >> second >> third >> first
except CycleError as error:
    print(error)

# %% [markdown]
# The circle is refused when the DAG is written, before anything has run, and shown as a path.
#
# ## When?
#
# A [**schedule**](GLOSSARY.md#schedule) is a cron expression: minute, hour, day of the month, month, day of the week (0
# is Sunday, 1 is Monday, `1-3` is a range). `0 6 * * *` is every day at six. Which six? Ours is six in New York.
# A [**backfill**](GLOSSARY.md#backfill) runs the dates of a past period, and `start_date` is the first date there is:

# %%
nightly = DAG("nightly", schedule="0 6 * * *", timezone="America/New_York", start_date="2013-07-01")
for moment in nightly.backfill("2013-07-08", "2013-07-10T23:00Z"):
    print(f"{moment:%d %b %H:%M} UTC")

# %% [markdown]
# Six in New York is 10:00 UTC in summer. Times are kept in UTC everywhere, and only the schedule knows of a place.
#
# **Exercise 05.2.** Another DAG has the schedule `0 6 * * 1-5`. How many runs does it have on the 14 days from Monday
# 1 July to Sunday 14 July 2013?

# %%
from mlops_lab import check

runs = ...

check("05.2", runs)

# %% [markdown]
# ### After an outage
#
# [**catchup**](GLOSSARY.md#catchup) says whether missed dates are made up for.

# %%
predict("05.p3")

# %%
for catchup in (False, True):
    dag = DAG("nightly", schedule="0 6 * * *", timezone="America/New_York", catchup=catchup)
    due = dag.due("2013-07-10T16:00Z", last="2013-07-06T10:00Z")
    print(f"catchup={catchup!s:<5} ", ", ".join(f"{moment:%d %b}" for moment in due))

# %% [markdown]
# Without `catchup` only the latest date is run, which is right for a model. With `catchup` all four are run, which is
# right for a table with a row for every day. So a task asks for its `logical_date` and never for the time of day.
#
# ### The night that lacks an hour
#
# In spring New York puts its clocks forward: after 01:59 comes 03:00.

# %%
predict("05.p4")

# %%
from itertools import pairwise
from zoneinfo import ZoneInfo

from mlops_lab import Schedule


def show_nights(cron, start, end):
    for before, moment in pairwise(Schedule(cron, "America/New_York").between(start, end)):
        local, hours = moment.astimezone(ZoneInfo("America/New_York")), (moment - before) // timedelta(hours=1)
        print(f"{local:%d %b at %H:%M %Z}, {hours} hours after the one before")


show_nights("30 2 * * *", "2013-03-08", "2013-03-13")

# %% [markdown]
# There was no 02:30 on that Sunday, so the job ran at 03:30, by summer time (EDT). The next one came only 23 hours
# later. In autumn an hour comes twice:

# %%
predict("05.p5")

# %%
show_nights("30 1 * * *", "2013-11-01", "2013-11-06")

# %% [markdown]
# It runs once, in the second of the two hours, which is by winter time (EST). But a task that takes "the last 24 hours"
# loses an hour in November and counts one twice in March. Take what lies between two logical dates instead.

# %% [markdown]
# ## Try again
#
# Most failures at night are short: a service restarts, a network hiccups. So a task may have
# [**retries**](GLOSSARY.md#retries). Here is a weather service that fails twice and then answers. The run fills in
# `attempt`, which counts from 1. `retry_delay` is the wait before the next try, in seconds.


# %%
@task(retries=3, retry_delay=60)
def wind(attempt):
    """How strong is the wind?"""
    if attempt < 3:
        raise TimeoutError("the weather service does not answer")
    return 9.2


with DAG("morning") as dag:
    report(flights(), wind())

# %%
predict("05.p6")

# %%
clock = FakeClock("2013-07-10T10:00Z")
run = run_dag(dag, logical_date="2013-07-10", clock=clock)
print("the clock shows", clock, "and the report says:", run.result("report"))
run

# %% [markdown]
# Three attempts and two waits of a minute. You did not wait, because all waiting goes through the clock; with the real
# clock the same run takes two minutes.
#
# The trace shows how a task ended. Each attempt is kept too ([**up_for_retry**](GLOSSARY.md#up_for_retry): it failed
# and will be tried again):

# %%
for attempt in run.task("wind").attempts:
    print(f"{attempt.started:%H:%M:%S}", attempt)

# %% [markdown]
# ## Wait longer each time
#
# If a service is down because too many people ask it, asking every few seconds keeps it down. [**Exponential
# back-off**](GLOSSARY.md#Exponential-back-off) doubles the wait with every failure, up to a bound that you choose. This
# service never answers:


# %%
predict("05.p7")


# %%
@task(retries=6, retry_delay=10, retry_exponential_backoff=True, max_retry_delay=timedelta(minutes=2))
def patient():
    raise TimeoutError("the weather service does not answer")


with DAG("patience") as dag:
    patient()
tries = run_dag(dag, logical_date="2013-07-10", clock=FakeClock("2013-07-10T10:00Z")).task("patient").attempts
[int((later.started - earlier.ended).total_seconds()) for earlier, later in pairwise(tries)]

# %% [markdown]
# After 80 seconds the bound of 120 holds. A service with a short hiccup is asked again soon; one that is really down is
# left alone.
#
# Move the settings yourself. In this run `fetch` fails a number of times, each try takes 20 seconds, and `train`
# waits for it:

# %%
from mlops_lab import RetriesPanel

RetriesPanel()

# %% [markdown]
# As it stands here, two tries fail and the third succeeds, after two waits of a minute. Take the retries down to 1
# and `fetch` fails for good; `train` is not tried then, and the run is `failed`.
#
# **Exercise 05.3.** A service must be asked well:
#
# - it may be down for **10 minutes**, and the task has to get through all the same,
# - a hiccup of **20 seconds** must not cost more than a minute,
# - it may not be asked **more than 10 times**,
# - if it never comes back, the task gives up within **one hour**.
#
# All times include the waits. Delays are in seconds, and `max_retry_delay` may be set too.

# %%
from mlops_lab import check

settings = {
    "retries": ...,
    "retry_delay": ...,
    "retry_exponential_backoff": ...,
}

check("05.3", settings)

# %% [markdown]
# ## Not for ever
#
# Worse than a service that fails is one that never ends. An `execution_timeout` bounds one attempt, in seconds.


# %%
predict("05.p8")


# %%
@task(execution_timeout=30, retries=1, retry_delay=60)
def wind(clock):
    clock.sleep(45)  # stands for a download that crawls
    return 9.2


with DAG("morning") as dag:
    report(flights(), wind())
run_dag(dag, logical_date="2013-07-10", clock=FakeClock("2013-07-10T10:00Z"))

# %% [markdown]
# It needed 45 seconds and had 30, twice: an attempt that overruns has failed, and is retried like any other. (Python
# cannot stop what is running: the slow attempt is left behind.)

# %% [markdown]
# ## What do the others do then?
#
# A task looks at the tasks it waits for and decides by its [**trigger rule**](GLOSSARY.md#trigger-rule). The usual one
# is `all_success`. Three kinds of task need another: one that runs although something was left out, one that sounds the
# alarm, one that tidies up whatever happened.
#
# A task that runs can end in three ways: `success`, `failed`, or `skipped`, when it says itself that there is nothing
# to do. Let us make a table: two tasks end in several combinations, and a third one waits for both. (`dag.add` puts a
# task into a DAG as a call inside `with` does. `TRIGGER_RULES` lists all rules.)

# %%
from mlops_lab import FailTask, SkipTask, Task


def ending(name, state):
    """A task that ends in this state."""

    def function():
        if state == "failed":
            raise FailTask("as asked")
        if state == "skipped":
            raise SkipTask("as asked")

    return Task(name, function)


def what_happens(rule, left, right):
    dag = DAG("two_before_one")
    dag.add(ending("left", left))
    dag.add(ending("right", right))
    dag.add(Task("third", lambda: None, trigger_rule=rule), upstream=["left", "right"])
    return run_dag(dag, logical_date="2013-07-10", clock=FakeClock()).states["third"]


# %%
predict("05.p9")

# %%
import pandas as pd

pairs = {
    "both succeed": ("success", "success"),
    "one skips": ("success", "skipped"),
    "one fails": ("success", "failed"),
    "both skip": ("skipped", "skipped"),
}
names = ["all_success", "none_failed", "one_success", "one_failed", "all_done"]
pd.DataFrame(
    {words: [what_happens(rule, *pair) for rule in names] for words, pair in pairs.items()},
    index=names,
)

# %% [markdown]
# Read the second column. A skipped task makes `all_success` skip too, so a skip runs down the whole line;
# `none_failed` lets the work go on. In the third column something failed: `all_success` and `none_failed` give up as
# `upstream_failed`, the alarm (`one_failed`) runs, and so does whoever tidies up (`all_done`). Where
# nothing failed and the rule cannot be met any more, the task is `skipped`, as in the first row's last column.
#
# Go back to the panel above, with one retry, and give `report` the rule `all_done`: the run is `success` again. [As in
# Airflow](https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dag-run.html#dag-run-status), only the
# tasks at the end count, so one that tidies up there hides every failure before it.
#
# **Exercise 05.4.** Give three tasks their rules. All three wait for `gate` and for `approve`:
#
# - `promote` runs when the gate passed and nobody had to approve (then `approve` is skipped) or somebody did; never
#   when one of the two failed,
# - `alarm` runs when one of the two failed, and only then,
# - `tidy_up` runs always.

# %%
from mlops_lab import check

rules = {"promote": ..., "alarm": ..., "tidy_up": ...}

check("05.4", rules)

# %% [markdown]
# ## Your own DAG
#
# Here are four plain functions. The weather service may fail twice in a night.


# %%
def fetch():
    return 9.2


def tell(fetch):
    return f"wind {fetch} mph"


def alarm():
    return "somebody is woken"


def tidy_up():
    return "tidy"


# %% [markdown]
# **Exercise 05.5.** Make a DAG of them. `fetch` gets through two failures. `tell` needs its result. `alarm` runs when
# `fetch` or `tell` failed, and only then. `tidy_up` is last and runs in any case. The check runs your DAG on five
# nights with planted failures. (`task(fetch, retries=…)()` makes a task of a function, `[a, b] >> c` makes c wait.)

# %%
from mlops_lab import check

mine = ...  # with DAG("mine") as mine: ...

check("05.5", mine)

# %% [markdown]
# Your DAG draws itself here when it is written; until then, the morning's DAG does.

# %%
draw_dag(dag if mine is ... else mine)

# %% [markdown]
# ## The same DAG, other values
#
# A DAG has **params**: values that a run may change, each with a type, a default and bounds.

# %%
from mlops_lab import MlopsLabError, Param

params = {
    "features": Param("as_known", enum=["as_known", "schedule_only"], description="the feature service"),
    "holdout_days": Param(30, minimum=7, maximum=90, description="days kept for the exam"),
    "train_from": Param("2013-01-01", type="date", description="the first day to learn from"),
}
with DAG("training", params=params) as training:
    task(lambda params: params, task_id="show")()
run_dag(training, params={"holdout_days": 14}, logical_date="2013-07-10", clock=FakeClock()).result("show")

# %%
predict("05.p10")

# %%
for given in ({"holdout_day": 14}, {"holdout_days": 3}, {"holdout_days": "14"}, {"train_from": "10 July"}):
    try:
        run_dag(training, params=given, logical_date="2013-07-10", clock=FakeClock())
    except MlopsLabError as error:
        print(error)

# %% [markdown]
# Each is refused before the first task starts, with what was expected.

# %% [markdown]
# ## Go on, do not begin again
#
# Say training takes an hour, and the step after it fails. Nobody wants to train again. With a `home` folder every
# change of state is written down, so a run can be [**resumed**](GLOSSARY.md#resumed). The service is down tonight:

# %%
import tempfile

home = tempfile.TemporaryDirectory()
clock = FakeClock("2013-07-10T10:00Z")
service = {"is up": False}


@task
def wind():
    """How strong is the wind?"""
    return 9.2 if service["is up"] else ask_weather_service()


with DAG("morning") as dag:
    report(flights(), wind())
broken = run_dag(dag, logical_date="2013-07-10", clock=clock, home=home.name)
broken

# %% [markdown]
# In the morning somebody repairs the service.

# %%
predict("05.p11")

# %%
service["is up"] = True
resumed = run_dag(dag, resume=broken.run_id, clock=clock, home=home.name, on_event=print)
print()
resumed

# %% [markdown]
# `wind` runs, for the second time, and `report` after it. `flights` had succeeded, so its result is taken from the
# trace. It is the same run as before, with the same `run_id`, and now it is a success.
#
# ### On other data
#
# A clinic sends letters every morning. One task counts them, the next one sends them, and the post does not always
# answer. Nothing may be counted twice.
#
# **Exercise 05.6.** Write the morning: run the DAG, keep the run in `home`, and resume it up to three times while it
# fails (`run.state` is `"success"` or `"failed"`).


# %%
from mlops_lab import check


def finish(dag, home, clock):
    """Run it for 10 March 2013 in this home folder; resume up to three times; return the last run."""
    ...


check("05.6", finish)

# %% [markdown]
# ## Side by side
#
# `flights` and `wind` do not wait for each other, so they could run at the same time. `max_workers` says how many
# tasks may. To see it without a stopwatch, we let two tasks meet: each waits for the other at a `Barrier`, at most for
# its `patience` in seconds.

# %%
predict("05.p12")

# %%
from threading import Barrier


def meeting(workers, patience):
    barrier = Barrier(2)
    meet = DAG("meeting")
    for name in ("ada", "grace"):
        meet.add(Task(name, lambda: barrier.wait(timeout=patience)))
    return dict(run_dag(meet, logical_date="2013-07-10", clock=FakeClock(), max_workers=workers).states)


print("one worker: ", meeting(1, patience=0.2))
print("two workers:", meeting(2, patience=60))

# %% [markdown]
# With one worker `ada` waits in vain and fails, and only then `grace` starts; with two they meet. For ordinary tasks
# the number of workers changes only the time a run takes.

# %% [markdown]
# ## The pipeline of this course
#
# All of that stands in the DAG that you ran in the first notebook.

# %%
from mlops_lab import flights_pipeline, print_tasks, run_flights

pipeline = flights_pipeline()
draw_dag(pipeline)

# %% [markdown]
# `materialize` talks to a store, so it has up to 2 retries. `approve` skips itself when nobody has to agree, so
# `approve` and `promote` have the rule `none_failed`. `report` has `all_done`: it writes down a refusal too. The
# schedule is six in New York.
#
# Now the worst night. It runs on the flights of ten weeks up to 15 March, and in the middle somebody pulls the plug.

# %%
predict("05.p13")

# %%
night_home = tempfile.TemporaryDirectory()
tonight, night_clock = "2013-03-15T10:00Z", FakeClock("2013-03-15T10:00Z")
short = {"holdout_days": 14, "watch_days": 7}


def pull_the_plug(event):
    print_tasks(event)
    if event.task_id == "evaluate" and event.state == "running":
        raise KeyboardInterrupt


try:
    run_flights(night_home.name, date=tonight, params=short, clock=night_clock, on_event=pull_the_plug)
except KeyboardInterrupt:
    print("dark")

# %% [markdown]
# In the morning, somebody looks into the home folder:

# %%
from mlops_lab import list_runs

(dark,) = list_runs(night_home.name)
draw_dag(pipeline, dark)

# %% [markdown]
# Four tasks had succeeded, `evaluate` was interrupted, six never had their turn. Go on with it:

# %%
run_flights(night_home.name, date=tonight, clock=night_clock, resume=dark.run_id, on_event=print_tasks)

# %% [markdown]
# `evaluate` took two attempts, everything else one: the model was not trained again, and version 1 went through the
# gate into Production.

# %%
from mlops_lab import quiz

quiz("05.q1")

# %% [markdown]
# A task may be run twice, so it has to be [**idempotent**](GLOSSARY.md#idempotent).
#
# ## A DAG is data
#
# The people who look after the night are not always those who wrote the functions. So a DAG can be written as a text,
# kept under version control, checked by a schema and read again.

# %%
from mlops_lab import from_yaml, to_yaml

text = to_yaml(dag)
print(text)

# %% [markdown]
# Functions stand there by name only: `__main__` is what Python calls the module of this notebook. Whoever reads the
# text says in which modules a name may be looked up:

# %%
import sys

again = from_yaml(text, modules=[sys.modules["__main__"]])
again == dag, from_yaml(to_yaml(pipeline)) == pipeline

# %% [markdown]
# Both come back equal.

# %%
predict("05.p14")

# %%
try:
    from_yaml(text.replace("upstream:", "upsteram:"))
except MlopsLabError as error:
    print(error)

# %% [markdown]
# ## On Airflow and Prefect
#
# Our executor is small on purpose. Teams use an engine such as [Airflow](https://airflow.apache.org) or
# [Prefect](https://www.prefect.io).

# %%
predict("05.p15")

# %%
from mlops_lab import to_airflow, to_prefect

files = {"Airflow": to_airflow(pipeline), "Prefect": to_prefect(pipeline)}
{engine: len(text.splitlines()) for engine, text in files.items()}


# %% [markdown]
# A program wrote both files, because the DAG is data. (`python -m mlops_lab export airflow --out flights.py` writes one
# to disk.) Here are the lines about two of the tasks: who promotes, and after whom, and how `materialize` is retried.

# %%
for engine, text in files.items():
    lines = [line.strip() for line in text.splitlines() if "promote_result" in line or "retries=2" in line]
    print(engine, *dict.fromkeys(lines), sep="\n    ")

# %% [markdown]
# On Airflow a call makes an edge, as in ours, and `a >> b` says "b waits for a" without a value. On Prefect a flow is
# an ordinary function that *starts* tasks while it runs, and what a task waits for are its arguments. Retries are
# settings of the task on both: twice more, after five seconds and then ten.
#
# ### Three engines, one night
#
# Do the three do the same? Each was given the pipeline for the same night, once with the honest features and once with
# the leak. Then each ran a small DAG: a task that succeeds at its third try, one that skips and one after it, and one
# that fails for good and one after it. Then came wrong params and three schedules. Where both engines are installed,
# the next cell asks them now and takes some minutes. Where they are not, it shows runs that were stored.

# %%
predict("05.p16")

# %%
from mlops_lab import compare_engines

comparison, source = compare_engines()
print(source)
print(", ".join(f"{engine} {version}" for engine, version in comparison.versions.items()))
same = {what: found["ours"] for what, found in comparison.rows if len(set(found.values())) == 1}
pd.DataFrame({"on all three": same})

# %% [markdown]
# All of this is the same on all three, also **the same model**, to the byte, and the same verdict of the gate. A task
# takes references and returns references, so it does not matter who calls the functions.
#
# Berlin puts its clocks forward on 31 March: after 01:59 (00:59 UTC) comes 03:00.

# %%
predict("05.p17")

# %%
differ = {what: found for what, found in comparison.rows if what not in same}
pd.DataFrame(differ).T[list(comparison.versions)]

# %% [markdown]
# - **Order.** Airflow reports before it promotes, Prefect evaluates before it registers (the table cuts the lists).
# - **Waits.** Airflow looks every few seconds for what is ready, so a wait of one second is at least that, and often
#   more. If you need seconds, retry inside the task.
# - **Params.** A misspelt param, `sizes` for `size`, is refused by us and by Prefect. Airflow takes it and runs with
#   the default. A typing error may cost you a night.
# - **Clocks.** On the night that lacks an hour, Airflow and ours run at 01:30 UTC, which is 03:30 in Berlin; Prefect
#   runs an hour earlier. In autumn, when 02:30 comes twice, Prefect takes the first and the two others the second.
#   Nobody is wrong, and that is why jobs are not scheduled between 02:00 and 03:00.
# - **Missed dates.** Prefect has no `catchup`. It plans ahead, and what was missed is yours to run.
# - **Overhead.** A task that does nothing takes milliseconds here and seconds on Airflow. For a training of ten minutes
#   nobody minds. Put a thousand small tasks into one.

# %%
from mlops_lab import quiz

quiz("05.q2")

# %% [markdown]
# Somebody has to agree: our task `approve` ends the run with an exit code that says "waiting", and the run is
# resumed when a person has agreed. An engine has a screen for that question. Airflow knows who is logged in. Prefect's
# own server does not, and believes the name that is typed in, so put a login before it.
#
# ### Which one?
#
# - **None of them** (cron, a CI job, or a small executor like ours) while one machine is enough, one team looks at it
#   and a run an hour late is no disaster. It starts in a second and there is nothing to keep alive.
# - **Airflow** when many teams share schedules, dates that were missed have to be made up for, and people want one
#   screen with logins for everything that runs. You keep a database, a scheduler, an API server and (since Airflow 3) a
#   Dag processor alive for that, and tasks should be minutes long.
# - **Prefect** when flows are decided while they run (loops, branches, a task for each file found), or when one wants
#   to debug a flow as an ordinary Python function. Trigger rules, skipped tasks, a start date and catch-up have to be
#   written by hand, as our file does.
#
# And keep the work itself in plain functions that take and return references. Then changing your mind costs a new
# file, and not a new pipeline.

# %% [markdown]
# ## What you can do now
#
# You can write a night's work as tasks and a DAG, and let it try again, give up in time and go on where it broke off.
# You know what a schedule does after an outage, and what changes when Airflow or Prefect runs the DAG.
#
# **The same in real tools.** `@task`, `DAG`, `retries`, `retry_delay`, `trigger_rule`, `logical_date` and `catchup`
# mean the same in [Airflow](https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/tasks.html), which also
# has the [trigger rules](https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html#trigger-rules)
# of our table; "resume" is there called clearing the failed tasks. In
# [Prefect](https://docs.prefect.io/v3/how-to-guides/workflows/retries) tasks have `retries` and `retry_delay_seconds`
# too. From the command line, `python -m mlops_lab dag draw` draws the pipeline.
#
# Next: [How do I make sure nobody skips the gate?](06_ci_gating.ipynb)
