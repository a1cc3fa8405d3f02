"""Did the learner understand: exercises that check themselves, with hints, quizzes and a record of progress.

In a notebook::

    from mlops_lab.teaching.checks import check, hint, progress, quiz

    wind = ...
    check("01.1", wind)        # not attempted, not yet (and what is wrong), or passed; never an exception
    hint("01.1")               # the first hint; again: the second, the third; then solution=True shows the solution
    quiz("01.q1")              # one question, feedback for every option
    progress()                 # a table of what is done

Nothing is sent anywhere: progress is one small file an exercise under `progress/` in the folder that the environment
variable `MLOPS_LAB_HOME` names, else in `.mlops_lab` beside the course.

To add an exercise to notebook NN, add its table to `nbNN.toml` and its test to `nbNN.py` (what is built by hand stands
in `built_by_hand.py`, and the tasks on other data at the end of a notebook in `transfer.py`); a quiz is a table in
`quizzes.toml`, a prediction one in `predictions.toml`. An exercise has

- `id` "NN.k", `kind` (predict, change, build), `question`, `answer`: the name of the learner's variable;
- `stub`: the cell as the learner finds it, which the notebook must contain word for word, above `check("NN.k", name)`;
- `test(answer)`: says what is wrong with `expect(condition, "the sentence the learner reads")`; it looks at what the
  answer does with fresh data, never at a number copied from a notebook. Start with the most common mistake and name it;
- `mistakes`: at least two wrong answers as source text, each with the words by which its own message is known;
- `hints`: exactly three, from a nudge to nearly there; `solution`: source text that passes; `lesson`: said on passing;
- `setup`: imports and variables the three sources above expect from the cells before, for the tests of the course.

The solution lives only here: the notebooks must not contain it, and tests/notebooks looks for it there. The tests in
tests/checks prove for every exercise found that the stub is "not attempted", that each mistake gets its own message and
that the solution passes.
"""

from __future__ import annotations

from mlops_lab.teaching.checks.cards import predict as predict
from mlops_lab.teaching.checks.cards import quiz as quiz
from mlops_lab.teaching.checks.cards import what_came as what_came
from mlops_lab.teaching.checks.exercise import Exercise as Exercise
from mlops_lab.teaching.checks.exercise import Prediction as Prediction
from mlops_lab.teaching.checks.exercise import Quiz as Quiz
from mlops_lab.teaching.checks.exercise import all_exercises as all_exercises
from mlops_lab.teaching.checks.exercise import all_predictions as all_predictions
from mlops_lab.teaching.checks.exercise import all_quizzes as all_quizzes
from mlops_lab.teaching.checks.exercise import find_exercise as find_exercise
from mlops_lab.teaching.checks.judging import check as check
from mlops_lab.teaching.checks.progress import export_progress as export_progress
from mlops_lab.teaching.checks.progress import hint as hint
from mlops_lab.teaching.checks.progress import progress as progress
