# %% [markdown]
# # How do I make sure nobody skips the gate?
#
# The pipeline has a gate, and the gate says no to bad models. But who makes sure that anybody asks it? A tired
# colleague on a Friday evening can promote by hand. So a machine asks, and nobody can persuade it: a
# [**workflow**](GLOSSARY.md#workflow), a file in the repository that GitHub Actions runs when something happens.
#
# Asking on every change whether all still holds is called [**continuous
# integration**](GLOSSARY.md#continuous-integration), CI; bringing what passed to its users is [**continuous
# delivery**](GLOSSARY.md#continuous-delivery), CD. With models there is a third, training again when the world has
# moved: [**continuous training**](GLOSSARY.md#continuous-training). A gate belongs in each of them.
#
# After this notebook you can
#
# - read a workflow file, draw its jobs, and say beforehand what becomes of each when one fails,
# - tell a gate that stops a run from one that only looks like it,
# - read the conditions and the matrices of a workflow without being surprised,
# - ask for an approval, and say who may give it and what happens when nobody does,
# - find the holes through which a bad model, or a stranger, slips in.
#
# You need no account at GitHub: a small simulator in this course reads the very files that GitHub reads. What you need
# is notebook 00, and to have seen a repository, a branch and a pull request. About 80 minutes.

# %%
from mlops_lab import draw_map

draw_map("06")

# %% [markdown]
# ## Two jobs
#
# Here is a workflow of two [**jobs**](GLOSSARY.md#jobs):
#
# - The job `gate` judges a model. The job `ship` [**needs**](GLOSSARY.md#needs) it, so it starts when `gate` has
#   succeeded.
# - `on` says what starts the workflow: a push of new commits. `runs-on` says which machine a job gets.
# - A job has [**steps**](GLOSSARY.md#steps), one after the other. `run` is a command for the shell, `uses` calls
#   somebody else's step, and `name` is for people.
#
# The model is bad, so the script of the gate ends with [**exit code**](GLOSSARY.md#exit-code) 2. Every command leaves
# such a number behind. 0 means that all went well, and anything else is a failure.

# %%
pushed = """
on: push
jobs:
  gate:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v7
      - name: judge the model
        run: bash gate.sh | tee report.txt
  ship:
    needs: gate
    runs-on: ubuntu-24.04
    steps:
      - run: echo "the model is in Production"
"""

# %% [markdown]
# `actions/checkout` fetches the repository, in which `gate.sh` is. The `tee` puts the report on the screen and into a
# file. `execute` really runs the steps, in a scratch folder.

# %%
from mlops_lab import predict

predict("06.p1")

# %%
import tempfile
from pathlib import Path

from mlops_lab import execute, parse_workflow

repository = tempfile.TemporaryDirectory()
Path(repository.name, "gate.sh").write_text("echo 'refused: this model is a leak'\nexit 2\n")

run = execute(parse_workflow(pushed, root=repository.name))
for job in run.jobs:
    print(f"{job.name:<5} {job.conclusion:<8} {job.steps[-1].log.strip()}")

# %% [markdown]
# None. The gate said `refused`, its job is a success, and the model is in Production. Nobody did anything forbidden.
#
# In a pipe the shell reports how the *last* command ended, and `tee` had no trouble at all. The exit code 2 got lost
# in the middle. By default GitHub uses `bash -e`, which looks only at the last command of a pipe. With `shell: bash`
# written down it adds the option `pipefail`:

# %%
predict("06.p2")

# %%
sound = "defaults: {run: {shell: bash}}" + pushed
run = execute(parse_workflow(sound, root=repository.name))
for job in run.jobs:
    print(f"{job.name:<5} {job.conclusion:<8} {job.reason}")

# %% [markdown]
# With `pipefail` one failing command fails the pipe. So the job `gate` fails, and `ship` is skipped because of what it
# needs. Remember this, it comes back: **a gate only works if its refusal stops something.**

# %% [markdown]
# ## The real thing
#
# The repository of this course has workflows of its own, under `.github/workflows`. The one that trains is `train.yml`.
# We open that very file:

# %%
import mlops_lab
from mlops_lab import draw_workflow, load_workflow

workflows = Path(mlops_lab.__file__).parents[1] / ".github" / "workflows"
train = load_workflow(workflows / "train.yml")
draw_workflow(train)

# %% [markdown]
# Three things matter for now; leave the other boxes alone. The job `train` runs the pipeline of this course, gate
# included. The job `promote` calls another workflow, `promote.yml`, so that one's jobs stand in its place as
# "promote / …": staging, then production, then the rollout on four targets. The job `comment` writes a report on a pull
# request.
#
# `python -m mlops_lab run` is the command of `train`. Its exit code says how the pipeline ended: 0 promoted, 1 an
# error, 2 refused by the gate, 3 waiting for an approval.

# %%
predict("06.p3")

# %%
step = next(step for step in train.jobs["train"].steps if step.id == "pipeline")
for line in step.run.word.splitlines():
    if any(word in line for word in ("code", "exit", "mlops_lab ", "fi")):
        print(line)

# %% [markdown]
# `|| code=$?` keeps the exit code instead of stopping. Where it is 3, the script ends with 0, so the job is green;
# every other number is passed on as it is.
#
# Which night ends with which number? Two runs of the pipeline on a few weeks of spring, with an approval asked for:
# Ada's honest model and the one that leaks.

# %%
from mlops_lab import OUTCOMES, FakeClock, outcome, print_tasks, run_flights

home = tempfile.TemporaryDirectory()
clock = FakeClock("2013-06-01T04:00Z")
short = {"train_from": "2013-05-01", "holdout_days": 10, "watch_days": 3, "author": "ada", "approval": True}
for features in ("as_known", "daily_averages"):
    facts = {**short, "features": features}
    done = run_flights(home.name, date="2013-06-01", params=facts, clock=clock, on_event=print_tasks)
    print(f"{features:<15} {outcome(done):<8} exit code {OUTCOMES[outcome(done)]}")

# %% [markdown]
# The honest model waits for an approval: `approve` has the cross of a task that did not succeed, and 3 as its exit
# code. The leak is refused.
#
# Now let GitHub's rules take over. `simulate` executes nothing: we say how steps end, and it says what becomes of the
# rest. First the honest night. Ada starts the workflow by hand, which GitHub calls `workflow_dispatch`. The step
# `pipeline` of the job `train` ends well, and its output is the version that `promote` is asked to promote:

# %%
from mlops_lab import Outcome, Trigger, simulate

by_hand = Trigger("workflow_dispatch", actor="ada")
honest = simulate(train, by_hand, outcomes={"train/pipeline": Outcome(outputs={"version": "1"})})
draw_workflow(train, honest)

# %% [markdown]
# Green down to the rollout, because nobody has told the simulator yet that somebody must agree. We come to that. The
# grey jobs were skipped: most by conditions of their own (`if:` in the file), others because a job they need was.
#
# Now the leaking model, with exit code 2:

# %%
predict("06.p4")

# %%
refused = Outcome("failure", reason="Process completed with exit code 2.")
leaking = simulate(train, by_hand, inputs={"features": "daily_averages"}, outcomes={"train/pipeline": refused})
draw_workflow(train, leaking)

# %% [markdown]
# Only `train`. `promote` was skipped, so the workflow that it calls is not even opened: one box `promote` stands there
# instead of staging, production and the rollout. Nobody had to be awake. (The file has an `if:` for `promote`, which
# asks for a start by hand and for `needs.train.result == 'success'`.)

# %% [markdown]
# ## Conditions, and what they convert
#
# Whether a job or a step runs is decided by its `if:`. What stands there is a small language of its own. It compares
# things of different kinds without complaint, by rules that few people know by heart.
#
# **Exercise 06.1.** Guess which of these five are true: write True or False for each, then check. (Stuck? Run
# `hint("06.1")` in a cell of your own, and again for the next hint.)

# %%
from mlops_lab import check, hint

guesses = {
    "'' == 0": ...,
    "'Main' == 'main'": ...,
    "'false' && true": ...,
    "contains('refs/heads/main-2', 'main')": ...,
    "contains(fromJSON('[\"main-2\"]'), 'main')": ...,
}

check("06.1", guesses)

# %% [markdown]
# The rules: texts are compared without regard to capitals, different kinds are made numbers, a text that is not empty
# is true, and `contains` looks for a part in a text, but for a whole element in a list.
#
# You can always ask. `evaluate` takes an expression and the values it may look at:

# %%
predict("06.p5")

# %%
from mlops_lab import evaluate

known = {"github": {"ref": "refs/heads/main"}, "inputs": {"features": "as_known"}}
evaluate("github.ref == 'refs/heads/main' && inputs.features", known)

# %% [markdown]
# When the left side holds, `&&` gives back the right side, and not just true. `||` gives back the first side that
# holds, which is why workflows write `inputs.date || '2014-01-01'` for "the input, or else this date".
#
# Four functions ask how it has gone so far. Here they are, for a job whose earlier steps succeeded, failed, or were
# cancelled:

# %%
print(f"{'':<14}success  failure  cancelled")
for function in ("success()", "failure()", "cancelled()", "always()", "!cancelled()"):
    values = [evaluate(function, status=status) for status in ("success", "failure", "cancelled")]
    print(f"{function:<14}" + "".join(f"{'runs' if value else '–':<9}" for value in values).rstrip())

# %% [markdown]
# If a condition has no such function, GitHub silently puts `success() &&` in front. That is why
# `if: github.ref == 'refs/heads/main'` on a deployment still waits for the gate.

# %%
predict("06.p6")

# %%
text = """
on: push
jobs:
  gate: {runs-on: ubuntu-24.04, steps: [{run: ./gate}]}
  deploy: {runs-on: ubuntu-24.04, needs: gate, if: CONDITION, steps: [{run: ./deploy}]}
"""
for condition in ("github.ref == 'refs/heads/main'", "always() && github.ref == 'refs/heads/main'"):
    workflow = parse_workflow(text.replace("CONDITION", condition))
    run = simulate(workflow, outcomes={"gate": "failure"})
    print(f"{run.job('deploy').conclusion:<8} if: {condition}")

# %% [markdown]
# `always()` stands in the place of the silent `success()`, so it switches the gate off. It belongs to jobs that clean
# up, report, or sum up. That brings us to the next trap.

# %% [markdown]
# ## The check that was never made
#
# A repository can demand that certain checks are not red before a pull request is merged. That makes the gate
# binding: a rule of the repository names the job, and the merge button stays grey.

# %%
from mlops_lab import quiz

quiz("06.q1")

# %% [markdown]
# GitHub counts a skipped check as passed. This is why many repositories have one more job that sums up, here called
# `passed`, and demand only that one. It needs all the others, and it has one step, which does nothing but fail:
#
# ```yaml
# passed:
#   needs: [lint, test]
#   if: …            # the condition of the job
#   steps:
#     - if: …        # the condition of the step
#       run: exit 1
# ```
#
# **Exercise 06.2.** Which two conditions make it honest, whatever becomes of `lint` and `test`: success, failure,
# cancelled or skipped? Only success of both is green. It must never be skipped itself. Write each as a text, without
# `if:`. (What each came to is in `needs.lint.result` and `needs.test.result`. In the condition of a step, `failure()`
# and `success()` look at the steps before it in the same job, and not at `needs`.)

# %%
from mlops_lab import check

conditions = {"job": ..., "step": ...}

check("06.2", conditions)

# %% [markdown]
# ## Many jobs from one: the matrix
#
# To judge two kinds of model at two airports, nobody writes four jobs. A [**matrix**](GLOSSARY.md#matrix) makes them: a
# job for each combination. `expand_matrix` shows them.

# %%
from mlops_lab import expand_matrix


def show(matrix):
    """One line a job."""
    for job in expand_matrix(matrix):
        print(", ".join(f"{name}: {value}" for name, value in job.items()))


matrix = {"model": ["logistic", "boosted"], "airport": ["EWR", "LGA"]}
show(matrix)

# %% [markdown]
# `exclude` strikes jobs out: all that fit what it names. `{airport: LGA}` alone would take every job of LGA.

# %%
predict("06.p7")

# %%
show({**matrix, "exclude": [{"airport": "LGA", "model": "boosted"}]})

# %% [markdown]
# `include` does two things. An entry that contradicts no value of a job **joins** that job. An entry that fits nowhere
# makes **a job of its own**:

# %%
predict("06.p8")

# %%
show({**matrix, "include": [{"airport": "EWR", "runner": "gpu"}, {"airport": "JFK", "model": "logistic"}]})

# %% [markdown]
# The first entry joined both jobs of EWR. The second names an airport that no job has, so it became the fifth. Change
# the three cells above; nothing can break.
#
# **Exercise 06.3.** Now without trying it out. How many jobs does this one make? Give the number.
#
# ```yaml
# matrix:
#   model: [logistic, boosted]
#   airport: [EWR, JFK, LGA]
#   exclude:
#     - {model: boosted, airport: LGA}
#   include:
#     - {model: logistic, penalty: l1}
#     - {model: baseline}
# ```

# %%
from mlops_lab import check

matrix_jobs = ...

check("06.3", matrix_jobs)

# %% [markdown]
# One of three jobs of a matrix fails while the others are still at work:

# %%
predict("06.p9")

# %%
text = """
on: push
jobs:
  judge:
    runs-on: ubuntu-24.04
    strategy: {matrix: {airport: [EWR, JFK, LGA]}}
    steps: [{run: ./judge}]
"""
for job in simulate(parse_workflow(text), outcomes={"judge (JFK)": "failure"}).jobs:
    print(f"{job.name:<12} {job.conclusion}")

# %% [markdown]
# `fail-fast` is on by default: one failure cancels its siblings, which may have been on their way to a fine result. For
# a matrix of gates, where each answer matters, write `fail-fast: false`. Here is all of it to play with: tick the
# entries, choose a job that fails, take the tick away from `fail-fast`.

# %%
from mlops_lab import MatrixPanel

MatrixPanel(
    matrix,
    exclude=[{"airport": "LGA", "model": "boosted"}],
    include=[{"airport": "EWR", "runner": "gpu"}, {"airport": "JFK", "model": "logistic"}],
)

# %% [markdown]
# ## Somebody else has to agree
#
# A machine can check what can be measured. For the rest there are people. In `promote.yml` the job `production` names
# an [**environment**](GLOSSARY.md#environment):

# %%
promote = load_workflow(workflows / "promote.yml")
draw_workflow(promote)

# %% [markdown]
# The rules of an environment are not in the file, where any pull request could change them. They are in the
# repository's settings. These are ours. (On GitHub's plans Free, Pro and Team, required reviewers exist for public
# repositories only.)

# %%
from datetime import timedelta

from mlops_lab import Environment, Review

production = Environment("production", reviewers=("ada", "grace"), prevent_self_review=True)

# %% [markdown]
# Ada starts `promote.yml` at nine in the morning, for version 1. (`inputs` are what the form of that workflow asks
# for.)


# %%
def ask(*reviews, days=0):
    """Ada starts it, people review it, and we look again so many days later."""
    clock = FakeClock("2013-06-03T09:00Z")
    began = clock.now()
    clock.advance(timedelta(days=days))
    return simulate(
        promote,
        by_hand,
        inputs={"run-id": "1001", "version": "1", "digest": "abc"},
        environments={"production": production},
        approvals=reviews,
        clock=clock,
        started=began,
    )


draw_workflow(promote, ask())

# %% [markdown]
# The job `production` waits. Nobody gets the environment's secrets yet. Ada is in a hurry. She is a reviewer, so:


# %%
predict("06.p10")


# %%
def story(run):
    """What happened around the job production."""
    for moment in run.timeline:
        if moment.subject == "production" and moment.what not in ("queued", "started"):
            print(f"{moment.at:%Y-%m-%d %H:%M}  {moment.what}{': ' * bool(moment.why)}{moment.why}")
    print("the run is now:", run.conclusion or run.status)


story(ask(Review("production", by="ada")))

# %% [markdown]
# Refused: `prevent_self_review` means that nobody may review a run that he or she started. It goes on waiting.

# %%
predict("06.p11")

# %%
story(ask(Review("production", by="linus")))

# %% [markdown]
# Now Grace reads the report, and agrees three hours later:

# %%
agreed = ask(Review("production", by="grace", after=timedelta(hours=3)))
story(agreed)

# %%
draw_workflow(promote, agreed)

# %% [markdown]
# `production` ran, and after it the rollout on its four targets. Or she does not like what she reads:

# %%
story(ask(Review("production", by="grace", approved=False)))

# %% [markdown]
# One no is enough, and the run has failed. And if nobody ever looks?

# %%
predict("06.p12")

# %%
story(ask(days=29))
print()
story(ask(days=31))

# %% [markdown]
# After thirty days of silence it is a no. That is the right way round: a forgotten request must not turn into a yes.

# %%
from mlops_lab import quiz

quiz("06.q2")

# %% [markdown]
# ## The same yes, kept
#
# GitHub knows who started a run. It does not know who *trained* the model, on what, and which report Grace was looking
# at. That is the registry's business. Ada's honest model from above passed its gate, and the pipeline has asked for an
# approval already:

# %%
from mlops_lab import Registry

registry = Registry(home.name, clock=clock)
registry.pending_approvals()

# %%
predict("06.p13")

# %%
from mlops_lab import MlopsLabError


def attempt(step):
    """Do it, or say in one line why not."""
    try:
        print(step())
    except MlopsLabError as error:
        print(f"{type(error).__name__}: {error}")


attempt(lambda: registry.approve("late_flights", 1, by="ada"))
attempt(lambda: registry.request_approval("late_flights", 2, requested_by="ada", why="its chart is so good"))

# %% [markdown]
# Ada is the author, and it does not matter who started what. And for version 2, the leak, nobody can even ask: it has
# no passed report. Grace can agree to version 1:

# %%
report = registry.get_gate_report("late_flights", 1)
attempt(lambda: registry.promote(report, actor="ada", why="it is better"))
attempt(lambda: registry.approve("late_flights", 1, by="grace", comment="read the report, all rules pass"))
attempt(lambda: registry.promote(report, actor="ada", why="it is better"))

# %% [markdown]
# So `promote.yml` asks twice, and both have to say yes: GitHub before the job `production` starts, and the registry
# inside it. Whoever gets around one still meets the other, and the registry writes down both names for good.

# %% [markdown]
# ## Try it
#
# Everything so far in one picture: `train.yml`, started by Ada, with the gate's answer, the reviewer's answer and the
# days in your hands. Let Ada approve her own run; then tick "whoever started the run may review it"; then untick it and
# let Grace answer.

# %%
from mlops_lab import WorkflowPanel

WorkflowPanel(train, gate="train/pipeline", reviewers=("ada", "grace"), outputs={"version": "1"})

# %% [markdown]
# Without a kernel you see the first position: the gate has passed, and the run waits for Ada or Grace.
#
# ## A stranger's title
#
# Anybody in the world can open a pull request. Its title is theirs to choose. Here is a friendly workflow that says
# thanks. `pull_request_target` is the event for answering strangers: it runs with the repository's secrets, and this
# step has one at hand that it does not even need:

# %%
greeting = """
on: pull_request_target
jobs:
  greet:
    runs-on: ubuntu-24.04
    steps:
      - env: {TOKEN: "${{ secrets.TOKEN }}"}
        run: echo "Thanks for ${{ github.event.pull_request.title }}"
"""


def greet(text, title):
    """What the log shows when a pull request of that title is opened."""
    opened = Trigger("pull_request_target", payload={"pull_request": {"title": title}})
    run = execute(parse_workflow(text, root=repository.name), opened, secrets={"TOKEN": "s3cret-of-ours"})
    print(run.job("greet").steps[0].log.strip())


greet(greeting, "a faster gate")

# %% [markdown]
# Now somebody chooses a less friendly title. What will the log show?

# %%
predict("06.p14")

# %%
hostile = 'nothing"; echo "$TOKEN"; echo "${TOKEN:1}'
greet(greeting, hostile)

# %% [markdown]
# Three lines instead of one: the title was not printed, it was *run*. GitHub puts the value in the place of the
# `${{ }}` before any shell sees the script, so a quote in the title ends the quote in the script. The log hides the
# secret as `***`, but only if it stands there letter by letter. The third line leaves the first letter out, and the
# secret is public. (With plain `pull_request` a stranger's run gets no secrets; the command runs all the same, beside
# your gate.)
#
# Three repairs are proposed.

# %%
predict("06.p15")

# %%
escaped = greeting.replace(
    '"Thanks for ${{ github.event.pull_request.title }}"', "${{ toJSON(github.event.pull_request.title) }}"
)
greet(escaped, hostile)
cured = """
on: pull_request_target
jobs:
  greet:
    runs-on: ubuntu-24.04
    steps:
      - env: {TITLE: "${{ github.event.pull_request.title }}"}
        run: echo "Thanks for $TITLE"
"""
greet(cured, hostile)

# %% [markdown]
# The last line is the cure: the whole title, as a text. A shell never reads a variable's value as a command. `toJSON`
# escapes the quotes, and inside them the shell still looks for `$TOKEN`. Other quotes fall to a title that has those.
# The rule for your own files: **no `${{ }}` inside `run:`**, not even where the value looks harmless.

# %% [markdown]
# ## What a workflow may do, and whose code it runs
#
# That token was one somebody had put there. One is always there: `GITHUB_TOKEN`. Without a word in the file it may do
# what the repository's settings allow, often write. So say it, at the top or for each job:
# [`permissions:`](https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#permissions).
# And `uses: actions/checkout@v7` runs what the tag `v7` points to *today*; who owns the action can move it. A full
# [commit hash](https://docs.github.com/en/actions/reference/security/secure-use#using-third-party-actions) cannot be
# moved. This is how `train.yml` does both:

# %%
lines = (workflows / "train.yml").read_text().splitlines()
wanted = ("permissions:", "contents: read", "actions/checkout@")
for line in lines[: lines.index("  train:") + 12]:
    if any(word in line for word in wanted):
        print(line)

# %% [markdown]
# `{}` gives the whole file nothing. The job `train` may read the repository, and nothing else.
#
# ## Find the holes
#
# This workflow has been through two reviews. Through five of its lines something gets past the gate, the reviewer or
# you. Two are new to you: `continue-on-error: true` lets the run go on as if the failed job had passed, and a condition
# with text outside `${{ }}` is a text that is not empty, so always true.

# %%
from mlops_lab import HOLES

for number, line in enumerate(HOLES.splitlines(), 1):
    print(f"{number:>2}|{line}")

# %% [markdown]
# **Exercise 06.4.** Close them: give the number of a line, and the line as it should be, with the spaces behind the
# `|`. An empty text deletes the line, and a whole step fits `- {env: {NAME: "…"}, run: …}`. The check puts your lines
# in and then lets things happen: a gate that refuses, a gate that passes, a pull request with a clever title, a
# reviewer of `production`. It tells you the first thing that still goes wrong. (`mlops-lab workflow lint` finds more,
# such as the missing `permissions:` and the unpinned action.)

# %%
from mlops_lab import check

repairs = {
    1: ...,  # the number of a line: the line as it should be
}

check("06.4", repairs)

# %% [markdown]
# ## On other data
#
# A clinic keeps the code of its own model in a repository of its own, without a workflow.
#
# **Exercise 06.5.** Write one with three jobs: `test`, `gate` and `deploy`. It starts on a push and on a pull
# request. `deploy` runs only on `main`, only after both others succeeded, and only when somebody agreed. The check
# plants failures, a pull request and a push to another branch. (On a push to `main` the value of `github.ref` is
# `refs/heads/main`, on a pull request `refs/pull/7/merge`.) Any commands will do as steps.

# %%
from mlops_lab import check

mine = ...  # the text of a workflow file

check("06.5", mine)

# %%
draw_workflow(parse_workflow(sound if mine is ... else mine))

# %% [markdown]
# ## What you can do now
#
# You have opened the real workflows of this repository, and seen a refused model stop everything behind it. You can
# read conditions and matrices. You know that a skipped check counts as passed, who may approve, and what a title can
# do.
#
# The same from the command line, for the workflow files of any repository:
#
# ```
# python -m mlops_lab workflow draw .github/workflows/train.yml
# python -m mlops_lab workflow simulate .github/workflows/train.yml --outcome train/pipeline=failure
# python -m mlops_lab workflow lint .github/workflows/train.yml
# ```
#
# **The same in real tools.** GitHub's documentation has the [workflow
# syntax](https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax), the
# [expressions](https://docs.github.com/actions/reference/workflows-and-actions/expressions), [environments and their
# reviewers](https://docs.github.com/actions/reference/workflows-and-actions/deployments-and-environments) and [how to
# avoid script injection](https://docs.github.com/actions/reference/security/secure-use).
# [actionlint](https://github.com/rhysd/actionlint) and [zizmor](https://docs.zizmor.sh/) find many such holes, and
# [act](https://nektosact.com/) runs workflows on your own machine. GitLab calls the same thing [protected
# environments](https://docs.gitlab.com/ci/environments/deployment_approvals/) with approvals, and in Jenkins it is an
# [input step](https://www.jenkins.io/doc/pipeline/steps/pipeline-input-step/). The course's page `docs/github.md` has
# the same night for GitLab.
#
# Next: [How do I put it to work, and take it back?](07_rollout.ipynb)
