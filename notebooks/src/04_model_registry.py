# %% [markdown]
# # Which model is in charge, and who said so?
#
# A model decides about passengers. Some weeks later somebody asks: which model was that, what did it learn from, who
# let it in? A [**model registry**](GLOSSARY.md#model-registry) keeps the answers.
#
# After this notebook you can
#
# - tell versions, stages and aliases apart, and say why MLflow moved from stages to aliases,
# - promote a version, and say what that takes and who must not do it alone,
# - say what was in Production on any day, and take a version back,
# - find out that somebody has changed the history.
#
# You need notebook 00; the gate is explained in 03. About 70 minutes.

# %%
from mlops_lab import draw_map

draw_map("04")

# %% [markdown]
# ## A file called production
#
# The usual way: a folder, and in it the model that is in use. A new model takes the place of the old one.

# %%
from mlops_lab import predict

predict("04.p1")

# %%
import tempfile
from pathlib import Path

folder = tempfile.TemporaryDirectory()
production = Path(folder.name, "production.model")
production.write_bytes(b"the model of August")
production.write_bytes(b"the model of September")
sorted(path.name for path in Path(folder.name).iterdir())

# %% [markdown]
# On 15 October a passenger complains about an answer of 1 October. Which model gave it? Who decided to exchange the
# two, and on what grounds? The folder holds one file and no answer. Nobody did anything wrong. There was just no
# place to write it down.

# %% [markdown]
# ## The first version
#
# It is 15 August 2013. Ada runs the pipeline of this course on summer flights, small enough for a lesson. The clock
# is a toy, and we set it ourselves.

# %%
from mlops_lab import FakeClock, outcome, parse_utc, print_tasks, run_flights

home, nights = tempfile.TemporaryDirectory(), {}
clock = FakeClock("2013-08-15T10:00Z")


def wait_until(moment):
    while clock.now() < parse_utc(moment):  # the hands of a clock go forward only
        clock.advance(parse_utc(moment) - clock.now())


def night(date, **params):
    """One night's run of the flights pipeline; a night that is over does not come again."""
    if date not in nights:
        wait_until(date)
        facts = {"author": "ada", "watch_days": 7, **params}
        nights[date] = run_flights(home.name, date=date, params=facts, clock=clock, on_event=print_tasks)
    return nights[date]


first = night("2013-08-15T10:00Z", train_from="2013-06-01", holdout_days=14)
outcome(first)

# %% [markdown]
# Promoted. What does the registry know now?

# %%
from mlops_lab import Registry

registry = Registry(home.name, clock=clock)
registry.get_production("late_flights")

# %% [markdown]
# Three words stand there. `v1` is the [**version**](GLOSSARY.md#version): a number that is given once and never again.
# `Production` is its [**stage**](GLOSSARY.md#stage). `champion` is an [**alias**](GLOSSARY.md#alias): a name that
# points to a version. Here is how version 1 got there:

# %%
registry.history("late_flights")[:4]

# %% [markdown]
# It was registered, the gate wrote its report, and then it moved twice, from None to Staging and from Staging to
# Production. Every line says who, and every move why.

# %% [markdown]
# ## Stages and aliases
#
# There are four stages, and not every way between them is open:

# %%
from mlops_lab import draw_stages

draw_stages()

# %% [markdown]
# At most one version of a model is in Production. Whoever was there before goes to Archived in the same step. (A
# rollback, further down, is the one move that is not drawn.)
#
# **Exercise 04.1.** A version has been archived, and now we want it back in Production. Which stages does it pass?
# Write them in order, in quotes; the last one is Production. (Stuck? Run `hint("04.1")` in a cell of your own, and
# again for the next hint.)

# %%
from mlops_lab import check, hint

moves = [...]

check("04.1", moves)

# %% [markdown]
# An alias is looser. Say the colleagues who test want to find "their" version:

# %%
predict("04.p2")

# %%
registry.set_alias("late_flights", "for_the_testers", 1, actor="grace", why="we look at JFK")
registry.get_by_alias("late_flights", "for_the_testers")

# %% [markdown]
# Anybody may move it, to any version. Real registries have had both stages and aliases. MLflow began with exactly these
# four stages and [deprecated them in version 2.9](https://github.com/mlflow/mlflow/issues/10336); aliases and tags took
# their place.

# %%
from mlops_lab import quiz

quiz("04.q1")

# %% [markdown]
# Some teams have three environments, some run two champions side by side. What got lost is the order: an alias can be
# pointed at anything. And an alias that decides what the passengers get?

# %%
predict("04.p3")

# %%
from mlops_lab import MlopsLabError


def attempt(step):
    """Do it, or say in one line why not."""
    try:
        print(step())
    except MlopsLabError as error:
        print(f"{type(error).__name__}: {error}")


attempt(lambda: registry.set_alias("late_flights", "champion", 1, actor="ada"))

# %% [markdown]
# Nobody sets `champion` by hand: it moves when the rollout of a promoted version has finished. Nor does anybody set
# `previous`, which follows whatever a rollback would bring back. Code that serves asks for the
# champion and cannot get anything that was not promoted.

# %% [markdown]
# ## Somebody else has to agree
#
# Passengers are rebooked on this model, so Grace decides: from now on no version without an approval. Version 1 serves
# already. She reads its figures and approves it now.

# %%
wait_until("2013-08-16T09:00Z")
registry.set_policy("late_flights", requires_approval=True, actor="grace", why="passengers are rebooked on it")
registry.request_approval("late_flights", 1, requested_by="ada", why="it serves, and the rule is new")
registry.approve("late_flights", 1, by="grace", comment="it has served for a night")

second = night("2013-09-30T10:00Z", train_from="2013-07-01", holdout_days=21)
outcome(second)

# %% [markdown]
# On 30 September the next version is trained. The gate passed, and the run stopped:

# %%
print(second.task("gate").state, "|", second.task("approve").why)
registry.search(name="late_flights")

# %%
registry.pending_approvals()

# %% [markdown]
# Version 1 still is in Production, version 2 waits. Ada is in a hurry. Which of her four ideas will work?

# %%
predict("04.p4")

# %%
report_of_1 = registry.get_gate_report("late_flights", 1)

attempt(lambda: registry.approve("late_flights", 2, by="ada"))
attempt(lambda: registry.approve("late_flights", 2, by=" Ada "))
move = registry.transition_stage
attempt(lambda: move("late_flights", 2, "Production", actor="ada", why="hurry"))
attempt(lambda: move("late_flights", 2, "Staging", actor="ada", why="I may", report=report_of_1))

# %% [markdown]
# None. She is the author, and an approval is by somebody else. The stage cannot be jumped. And a gate report is good
# for one version only: the one it measured. (Who may call herself Grace is for your login to decide. And had Ada
# switched the rule off, her own version would still wait for somebody else.) Grace reads the figures and says yes,
# two days later.

# %%
wait_until("2013-10-02T09:00Z")
if registry.pending_approvals():  # as long as nobody has answered
    registry.approve("late_flights", 2, by="grace", comment="I have read the figures")

resumed = run_flights(home.name, date="2013-09-30T10:00Z", resume=second.run_id, clock=clock)
print(outcome(resumed))
registry.search(name="late_flights")

# %% [markdown]
# The waiting run went on where it had stopped; nothing was trained again. Version 2 is the champion, version 1 is
# archived, and the alias `previous` remembers it.

# %% [markdown]
# ## And the one that is best offline?
#
# On 15 October Ada tries the daily averages, the leak of the first notebook.

# %%
predict("04.p5")

# %%
third = night("2013-10-15T10:00Z", train_from="2013-07-15", holdout_days=21, features="daily_averages")
report = registry.get_gate_report("late_flights", 3)
print(outcome(third))
print(*report.failures[-1:], sep="\n")
attempt(lambda: registry.promote(report, actor="ada", why="look at that chart"))

# %% [markdown]
# 0.912 offline, 0.622 as served. The report has failed, so there is no way into Production: not with an approval,
# not by hand. Version 3 stays in stage None, where everybody can look at it.

# %% [markdown]
# ## What was in production on 1 October?
#
# Back to the passenger. You have read all that happened: the run of 15 August, the run of 30 September, the approval
# on 2 October.
#
# **Exercise 04.2.** Which version answered on 1 October? Give its number.

# %%
from mlops_lab import check

version = ...

check("04.2", version)

# %% [markdown]
# Now ask the registry. It does not look anything up in a calendar: it tells its whole history again, up to the moment
# you name.

# %%
for date in ("2013-08-01", "2013-09-01", "2013-10-01", "2013-10-03"):
    print(date, registry.production_at("late_flights", date))

# %% [markdown]
# In the beginning there was nobody, and on 1 October it was the version that answered in September as well, although
# its successor was already trained and had passed. The day of training says nothing about the day of service.
#
# **Exercise 04.3.** Do the same yourself. Each event has `at`, `version`, `source` and `target`. `target` is the stage
# that the version moved to, and `source` the one it came from. Some events move nothing: there both are None, or other
# words.


# %%
from mlops_lab import check


def in_production(events, at):
    """The number of the version in Production at the moment `at`, or None; events come in order."""
    ...


check("04.3", in_production)

# %% [markdown]
# Your function answers the passenger; while it is not written, the registry does.

# %%
told = in_production(registry.history("late_flights"), parse_utc("2013-10-01"))
print("1 October: version", registry.production_at("late_flights", "2013-10-01").version if told is None else told)

# %% [markdown]
# ## Back
#
# On 20 October the desk at JFK reports strange answers. Nobody knows the reason yet. That is what a
# [**rollback**](GLOSSARY.md#rollback) is for: first the former version, then the questions.

# %%
predict("04.p6")

# %%
wait_until("2013-10-20T08:00Z")
attempt(lambda: registry.rollback("late_flights", actor="grace", why="strange answers at JFK"))
registry.search(name="late_flights")

# %% [markdown]
# Version 1 is the champion again. It needed no new gate report and no new approval: a rollback asks for the ones that
# the history holds, so in an emergency nobody has to wait. A version that was refused, or that nobody approved, is no
# way back. The mistake is archived, and the history holds the reason. Can Ada have her version back, and can Grace go
# back once more?

# %%
predict("04.p7")

# %%
back = registry.rollback

attempt(lambda: move("late_flights", 2, "Production", actor="ada", why="it was not my model"))
attempt(lambda: back("late_flights", actor="grace", why="once more"))

# %% [markdown]
# Neither. Without a rollback, the only way out of the archive is through Staging, with a new gate report. And Grace
# cannot go back once more: the version that was taken back does not count any more, and before version 1 there was
# none.
#
# All of these moves again, now with buttons. Every click is played on a real registry that is thrown away afterwards;
# the figures are the served AUC of our three versions.

# %%
from mlops_lab import RegistryPanel, Tracker

tracker = Tracker(home.name, clock=clock)
versions = registry.search(name="late_flights")
served = [round(tracker.get_run(each.run_id).metrics["served.roc_auc"], 3) for each in versions]
print(served)
RegistryPanel(served, floor=0.66)

# %% [markdown]
# Be Ada and promote version 2: refused. Ask for an approval, become Grace, approve, promote. Then try the same with
# version 3, and read what the registry says.

# %% [markdown]
# ## Where does it come from?
#
# Version 2 was in Production for 18 days. What was it made of? The pipeline hands each step the whole result of the one
# before, so the registry can walk all the way back. The fingerprints and the commit are different on every computer,
# so we leave them out of the picture.

# %%
from mlops_lab import draw_lineage, lineage

version_2 = registry.get_model_version("late_flights", 2)
draw_lineage(lineage(version_2, registry, tracker=tracker), identities=False)

# %% [markdown]
# Read it from the bottom: the rollout, the gate report with 11 of 11 rules, the version, the run with its AUC of
# 0.743, the training set, and above it the feature service with its five views, made from two tables. Not only the
# description is there. The rows are:

# %%
from mlops_lab import training_rows

rows = training_rows(version_2, tracker)
print(f"{len(rows):,} flights")
rows[["flight_id", "event_timestamp", "temp", "airport_waiting", "late"]].tail(3)

# %% [markdown]
# These are the rows of that night, checked against their fingerprint before they were handed out: the 65,847 it
# learnt from, the 19,345 of the exam, and 153 in between, whose outcome came too late to learn from.
#
# The other direction matters on the day when a source turns out to be wrong. The weather at one airport was measured
# badly: which models have learnt from it?

# %%
predict("04.p8")

# %%
from mlops_lab import used_by

for view in ("airport_weather", "daily_airport"):
    found = used_by(view, registry, tracker=tracker)
    print(f"{view:<16}", [node.title for node in found.nodes if node.kind == "version"])

# %% [markdown]
# Versions 1 and 2 have learnt from the hourly weather, version 3 from the daily averages of the airport. Now you know
# which models are affected when a view has to be withdrawn.

# %% [markdown]
# ## Can the history be trusted?
#
# Approvals, the new rule, and the moves to and from Production:

# %%
for event in registry.history("late_flights"):
    if event.action in ("approve", "rollback", "set_policy") or event.target in ("Production", "Archived"):
        print(event)

# %% [markdown]
# Each event carries the hash of the one before it.

# %%
predict("04.p9")

# %%
from itertools import pairwise

events = registry.history("late_flights")
print(all(after.prev_hash == before.hash for before, after in pairwise(events)))
print(registry.verify(), "events, and the tables say what the events say")

# %% [markdown]
# Whoever changes a line has to change its hash, and so every line after it.
#
# **Exercise 04.4.** Write the search for the first event that does not hold: its `hash` is not what `digest(event)`
# gives, or its `prev_hash` is not the `hash` of the event before. The first event's `prev_hash` is the empty text.
# Return its place, counted from 0.


# %%
from mlops_lab import check


def first_break(events, digest):
    """The place of the first event that does not hold, or None; digest(event) is the hash it should have."""
    ...


check("04.4", first_break)

# %% [markdown]
# Let us cheat. In a copy of the folder, Ada wants the approval to have been Linus's. The registry is an SQLite file;
# any program can open it.

# %%
predict("04.p10")

# %%
import shutil
import sqlite3

registry.close()
copy = tempfile.TemporaryDirectory()
shutil.copytree(home.name, copy.name, dirs_exist_ok=True)
connection = sqlite3.connect(Path(copy.name, "registry.db"))
try:
    connection.execute("UPDATE events SET actor = 'linus' WHERE action = 'approve'")
except sqlite3.Error as error:
    print(error)
connection.close()

# %% [markdown]
# The file defends itself with a trigger. That stops an accident. It does not stop an attacker: triggers can be dropped.

# %%
predict("04.p11")

# %%
from mlops_lab import IntegrityError

connection = sqlite3.connect(Path(copy.name, "registry.db"))
connection.execute("DROP TRIGGER IF EXISTS events_stay")
connection.execute("UPDATE events SET actor = 'linus' WHERE action = 'approve'")
connection.commit()
connection.close()

try:
    Registry(copy.name, clock=clock).verify()
except IntegrityError as error:
    print("damaged or changed:", error.what)
    named = int(error.what.split()[1])

# %%
print(*[event for event in registry.history() if event.seq == named])

# %%
from mlops_lab import quiz

quiz("04.q2")

# %% [markdown]
# `verify` computed every hash again and named the first event whose own hash does not fit. It cannot notice a file that
# was rewritten in full, with all hashes new. So keep a note somewhere else: `registry.head()` is the hash of the last
# event. `verify(head=...)` fails when that hash is no longer in the history.
#
# The model files are checked too, each time one is loaded. One changed bit is enough:

# %%
from mlops_lab import ArtifactStore

store = ArtifactStore(copy.name)
champion = registry.get_by_alias("late_flights", "champion")
changed = bytearray(ArtifactStore(home.name).get_bytes(champion.artifact))
changed[1000] ^= 1
store.path(champion.artifact).write_bytes(changed)
try:
    store.load_model(champion.artifact)
except IntegrityError as error:
    print("refused:", error.what, "is not what was stored")

# %% [markdown]
# The name of the file is the hash of its bytes, so bytes that were exchanged have the wrong name. Nothing of it was
# loaded, and nothing in it ran.

# %% [markdown]
# ## On other data
#
# A clinic keeps its model `no_shows` in such a registry. Version 1 serves. Ada has trained version 2, its gate report
# has passed, and nothing comes into Production without an approval.
#
# **Exercise 04.5.** Bring version 2 into Production, and take it back. The steps are those of Ada and Grace above;
# nothing has to be returned.


# %%
from mlops_lab import check


def ship_and_return(registry, report):
    """Version 2 of no_shows (by ada) goes to Production with an approval, and then version 1 comes back."""
    ...


check("04.5", ship_and_return)

# %% [markdown]
# ## What you can do now
#
# You can follow a version from None to Production and back, say who agreed and on what evidence, name the model of
# any day in the past, and trace it to its rows. You know what happens when somebody skips a step, and what happens
# when somebody changes the history.
#
# **The same in real tools.** In [MLflow](https://mlflow.org/docs/latest/ml/model-registry/) you register a model
# version from a run, set an alias with `set_registered_model_alias` and load `models:/late_flights@champion`. What it
# does not do by itself is to ask for a gate report or for a second person; teams build that around it, for instance
# with [required
# reviewers](https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments) of an
# environment on GitHub. What it keeps besides, and this course leaves out, is a
# [signature](https://mlflow.org/docs/latest/ml/model/signatures/) (names and types of inputs and outputs) and the list
# of packages that a model needs. For whom a model is meant, and for whom not, is written on a [model
# card](https://huggingface.co/docs/hub/model-cards). From the command line, `python -m mlops_lab registry` shows
# versions and history, and `python -m mlops_lab lineage` the way back.
#
# Next: [Who runs this at night, and what if it fails?](05_orchestration.ipynb)
