"""Is every exercise of the course one that teaches: stub, mistakes and solution each get their own answer?"""

from __future__ import annotations

import ast
from typing import Any

import pytest

from mlops_lab.teaching.checks import Exercise, Quiz, all_exercises, all_quizzes, find_exercise
from mlops_lab.teaching.checks.judging import Verdict
from tests.checks.clauses import LONG, judge

EXERCISES = pytest.mark.parametrize("exercise", all_exercises(), ids=lambda exercise: exercise.id)
QUIZZES = pytest.mark.parametrize("quiz", all_quizzes(), ids=lambda quiz: quiz.id)


def _run(exercise: Exercise, source: str) -> Any:
    """The answer after the cells before (setup) and a cell with this source have run."""
    names: dict[str, Any] = {}
    exec(compile(exercise.setup, "<string>", "exec"), names)  # noqa: S102 - the course's own sources
    exec(compile(source, "<string>", "exec"), names)  # noqa: S102
    return names[exercise.answer]


def _answer(exercise: Exercise, source: str) -> Verdict:
    return judge(exercise, _run(exercise, source))


@EXERCISES
def test_the_stub_is_not_attempted(exercise: Exercise) -> None:
    verdict = _answer(exercise, exercise.stub)

    assert verdict.status == "not attempted"


@pytest.mark.slow
@EXERCISES
def test_every_mistake_is_answered_with_its_own_message(exercise: Exercise) -> None:
    verdicts = [_answer(exercise, mistake.source) for mistake in exercise.mistakes]

    for mistake, verdict in zip(exercise.mistakes, verdicts, strict=True):
        assert verdict.status == "not yet", mistake.source
        assert mistake.says in verdict.message
        assert "it raised" not in verdict.message, "name the mistake instead of showing the exception"
    assert len({verdict.message for verdict in verdicts}) == len(verdicts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("exercise", "times"),
    [
        *(pytest.param(one, 1 if one.id in LONG else 2, id=one.id) for one in all_exercises()),
        *(pytest.param(find_exercise(one), 2, id=f"{one} twice", marks=pytest.mark.nightly) for one in LONG),
    ],
)
def test_the_solution_passes_as_often_as_asked_and_says_what_was_learnt(exercise: Exercise, times: int) -> None:
    answer = _run(exercise, exercise.solution)

    verdicts = [judge(exercise, answer) for _ in range(times)]

    assert [(each.status, each.message) for each in verdicts] == [("passed", exercise.lesson)] * times


@EXERCISES
def test_sentences_are_sentences_and_hints_differ(exercise: Exercise) -> None:
    sentences = [exercise.question, exercise.lesson, *exercise.hints]

    assert all(sentence.rstrip().endswith((".", "?")) for sentence in sentences)
    assert len(set(exercise.hints)) == len(exercise.hints)


@EXERCISES
def test_the_stub_defines_the_answer_and_fits_a_cell(exercise: Exercise) -> None:
    tree = ast.parse(exercise.stub)

    assert "..." in exercise.stub
    assert any(exercise.answer in ast.unparse(statement) for statement in tree.body)
    assert len(exercise.stub.splitlines()) <= 15


@QUIZZES
def test_every_option_of_a_quiz_says_something_of_its_own(quiz: Quiz) -> None:
    said = [option.feedback for option in quiz.options]

    assert all(said)
    assert len(set(said)) == len(said)


MORE = (  # beside the usual ones that the answer key lists
    ("00.1", 'never = {"gate", "promote"}', "the gate does run"),
    ("00.1", 'never = "promote"', "a set of names, also when"),
    ("00.2", ("def may_replace(offline, served):\n    return served >= 0.66 and offline == served"), "0.005 is chance"),
    (
        "00.2",
        ("def may_replace(offline, served):\n    return served >= 0.66 and abs(offline - served) <= 0.02"),
        "better as served than offline",
    ),
    ("00.2", "may_replace = True", "write a function"),
    (
        "01.2",
        (
            "def latest(rows, at, ttl):\n"
            '    known = [row for row in rows if row["created"] <= at and at - row["event"] < ttl]\n'
            '    return max(known, key=lambda row: (row["event"], row["created"]))["wind"] if known else '
            "None"
        ),
        "exactly ttl old",
    ),
    ("01.2", "latest = 8.0", "write a function"),
    (
        "01.4",
        (
            'source = replace(leaking.source, created_timestamp_column="created_timestamp")\n'
            "honest = replace(leaking, source=source)"
        ),
        "has no column 'created_timestamp'",
    ),
    (
        "01.4",
        (
            'source = replace(leaking.source, created_timestamp_column="landed_timestamp")\n'
            "honest = replace(leaking, source=source, ttl=timedelta(hours=12))"
        ),
        "ttl too short",
    ),
    ("02.1", 'sides = ["train", "neither", "holdout", "neither"]', "it was known by then"),
    ("02.1", 'sides = ["train", "test", "test", "train"]', "none of them"),
    (
        "02.3",
        (
            "def choose(late, chance, missed, alarm):\n"
            "    def cost(threshold):\n"
            "        raised = chance >= threshold\n"
            "        return missed * (late & ~raised).sum() + alarm * (raised & ~late).sum()\n"
            "\n"
            "    return min(reversed(THRESHOLDS), key=cost)"
        ),
        "take the lowest of them",
    ),
    ("02.3", ("def choose(late, chance, missed, alarm):\n    return alarm / (alarm + missed)"), "among THRESHOLDS"),
    ("02.3", "choose = 0.5", "write a function"),
    (
        "03.2",
        (
            "def reaches(figures, name, floor):\n"
            "    figure = figures.get(name)\n"
            "    return figure is not None and figure >= floor"
        ),
        "infinite figure",
    ),
    ("03.2", ("def reaches(figures, name, floor):\n    return name in figures and figures[name] > floor"), "inclusive"),
    ("03.2", "reaches = 0.65", "write a function"),
    (
        "03.3",
        'policy = GatePolicy([Floor("served.roc_auc", 0.9), ServedSkew("roc_auc", 0.02)])',
        "trained again, is refused",
    ),
    ("03.3", 'policy = [Floor("served.roc_auc", 0.66)]', "give a GatePolicy"),
    ("04.1", 'moves = ["Staging", "Archived", "Staging", "Production"]', "in a circle"),
    (
        "04.3",
        (
            "def in_production(events, at):\n"
            "    current = None\n"
            "    for event in events:\n"
            '        if event.at <= at and event.target == "Production":\n'
            "            current = event.version\n"
            "    return current"
        ),
        "nobody followed",
    ),
    (
        "04.3",
        (
            "def in_production(events, at):\n"
            "    current = None\n"
            "    for event in events:\n"
            '        if event.at <= at and event.target in ("Production", "Archived"):\n'
            '            current = event.version if event.target == "Production" else None\n'
            "    return current"
        ),
        "version 2 stays",
    ),
    ("04.3", "in_production = 1", "write a function"),
    ("05.1", 'order = ["features", "train", "evaluate", "materialise", "gate", "promote"]', "there is no task"),
    ("05.2", 'runs = "ten"', "a whole number"),
    ("05.3", 'settings = {"retries": 9, "retry_delay": 10, "retry_exponential_backoff": True}', "85 minutes only"),
    ("05.4", 'rules = {"promote": "none_failed", "alarm": "always", "tidy_up": "all_done"}', "alarm sounds"),
    ("05.4", 'rules = {"promote": "none_failed", "alarm": "one_failed", "tidy_up": "all_success"}', "leaves a mess"),
    ("05.4", 'rules = {"promote": "none_failed", "alarm": "one_failed", "tidy_up": "always"}', "waits for nobody"),
    (
        "06.1",
        (
            "guesses = {\"'' == 0\": True, \"'Main' == 'main'\": True, \"'false' && true\": True, "
            "\"contains('refs/heads/main-2', 'main')\": False, 'contains(fromJSON(\\'[\"main-2\"]\\'), "
            "\\'main\\')': False}"
        ),
        "a part of it",
    ),
    (
        "06.1",
        (
            "guesses = {\"'' == 0\": True, \"'Main' == 'main'\": True, \"'false' && true\": True, "
            "\"contains('refs/heads/main-2', 'main')\": True, 'contains(fromJSON(\\'[\"main-2\"]\\'), \\'main\\')': "
            "True}"
        ),
        "a whole entry",
    ),
    ("06.2", 'conditions = {"job": "always()", "step": "always()"}', "it should be success"),
    ("06.2", 'conditions = {"job": "allways()", "step": "always()"}', "would not take that"),
    ("06.3", "matrix_jobs = 9", "not 9"),
    (
        "06.4",
        (
            "repairs = {6: '    continue-on-error: false', 9: '      - run: set -o pipefail; bash gate.sh | "
            "tee report.txt', 10: '      - {env: {TITLE: \"${{ github.event.pull_request.title }}\"}, run: "
            "\\'echo \"judged $TITLE\"\\'}', 15: '    environment: production'}"
        ),
        "goes on all the same",
    ),
    (
        "06.4",
        (
            "repairs = {6: '    continue-on-error: false', 9: '      - run: set -o pipefail; bash gate.sh | "
            "tee report.txt', 10: '      - {env: {TITLE: \"${{ github.event.pull_request.title }}\"}, run: "
            "\\'echo \"judged $TITLE\"\\'}', 14: \"    if: ${{ !cancelled() && needs.gate.result == 'success' "
            '}}"}'
        ),
        "never asked",
    ),
    (
        "06.4",
        (
            "repairs = {6: '    continue-on-error: false', 9: '      - run: set -o pipefail; bash gate.sh | "
            "tee report.txt', 10: '      - {env: {TITLE: \"${{ github.event.pull_request.title }}\"}, run: "
            "\\'echo \"judged $TITLE\"\\'}', 15: '    environment: production', 14: '    if: false'}"
        ),
        "and deploy does not run",
    ),
    (
        "06.4",
        (
            "repairs = {6: '    continue-on-error: false', 9: '      - run: set -o pipefail; bash gate.sh | "
            "tee report.txt', 14: \"    if: ${{ !cancelled() && needs.gate.result == 'success' }}\", 15: '    "
            "environment: production', 10: '      - run: echo judged'}"
        ),
        "no longer printed",
    ),
    (
        "06.4",
        (
            "repairs = {9: '      - run: set -o pipefail; bash gate.sh | tee report.txt', 10: '      - "
            '{env: {TITLE: "${{ github.event.pull_request.title }}"}, run: \\\'echo "judged $TITLE"\\\'}\', 14: '
            "\"    if: ${{ !cancelled() && needs.gate.result == 'success' }}\", 15: '    environment: "
            "production', 6: '  continue-on-error: false'}"
        ),
        "would not take that",
    ),
    (
        "07.1",
        (
            "def route(keys, weight):\n"
            '    draws = [int(hashlib.sha256(f"{key}{weight}".encode()).hexdigest(), 16) % 100 for key in '
            "keys]\n"
            "    return [draw < weight for draw in draws]"
        ),
        "go back to the champion",
    ),
    (
        "07.1",
        ("def route(keys, weight):\n    return [key.encode()[-5] % 10 * 10 < weight for key in keys]"),
        "of 4200 flights",
    ),
    ("07.1", "route = 5", "write a function"),
    ("07.2", "judged_at_22 = 2", "at that very minute"),
    ("07.2", "judged_at_22 = 'three'", "a whole number"),
    ("07.3", "careful = RolloutPolicy(margin=0.5)", "counts as good enough"),
    ("07.3", "careful = RolloutPolicy(min_labels=900, patience_days=60)", "is still at 25 percent"),
    ("07.3", "careful = 300", "give a RolloutPolicy"),
    ("08.1", 'stages = {"v1": "Retired", "v2": "Production"}', "is no stage"),
    (
        "08.2",
        (
            "def every_row(ask, entity_df):\n"
            "    answer = ask(entity_df)\n"
            '    return entity_df.assign(wind=[*answer["wind"], None, None, None])\n'
        ),
        "look up each flight's own",
    ),
    (
        "08.4",
        (
            "choice = {\n"
            '    "one person, one laptop, a course": "embedded",\n'
            '    "a team of five that trains every night": "mlflow",\n'
            '    "features for a thousand requests a second on three servers": "feast",\n'
            '    "a history table of a terabyte": "embedded",\n'
            "}"
        ),
        "one machine's memory",
    ),
    (
        "09.1",
        (
            "def my_rows(flights):\n"
            '    """How late the last three hours\' arrivals at each destination were."""\n'
            '    landed = flights[flights["arr_at"].notna()].sort_values(["arr_at", '
            '"flight_id"]).set_index("arr_at")\n'
            '    mean = landed.groupby("dest")["arr_delay"].rolling("3h").mean()\n'
            '    rows = mean.rename("dest_arr_delay").reset_index().rename(columns={"arr_at": '
            '"event_timestamp"})\n'
            '    rows["created_timestamp"] = rows["event_timestamp"] + pd.Timedelta(minutes=5)\n'
            "    return rows.assign(dest_arr_delay=1.0)"
        ),
        "the same for every decision",
    ),
    (
        "09.1",
        (
            "def my_rows(flights):\n"
            '    """How late the last three hours\' arrivals at each destination were."""\n'
            '    landed = flights[flights["arr_at"].notna()].sort_values(["arr_at", '
            '"flight_id"]).set_index("arr_at")\n'
            '    mean = landed.groupby("dest")["arr_delay"].rolling("3h").mean()\n'
            '    rows = mean.rename("dest_arr_delay").reset_index().rename(columns={"arr_at": '
            '"event_timestamp"})\n'
            '    rows["created_timestamp"] = rows["event_timestamp"] + pd.Timedelta(minutes=5)\n'
            '    return rows.rename(columns={"dest": "origin"})'
        ),
        "find a row",
    ),
    (
        "09.1",
        (
            "def my_rows(flights):\n"
            '    """How late the last three hours\' arrivals at each destination were."""\n'
            '    landed = flights[flights["arr_at"].notna()].sort_values(["arr_at", '
            '"flight_id"]).set_index("arr_at")\n'
            '    mean = landed.groupby("dest")["arr_delay"].rolling("3h").mean()\n'
            '    rows = mean.rename("dest_arr_delay").reset_index().rename(columns={"arr_at": '
            '"event_timestamp"})\n'
            '    rows["created_timestamp"] = rows["event_timestamp"] + pd.Timedelta(minutes=5)\n'
            '    return rows.rename(columns={"dest": "destination"})'
        ),
        "no key",
    ),
    ("09.1", "my_rows = 1", "write a function"),
    (
        "09.2",
        (
            "my_view = FeatureView(\n"
            '    "destination_arrivals",\n'
            '    entities=[Entity("destination", join_keys=["origin"])],\n'
            '    schema=[Field("dest_arr_delay", "float64")],\n'
            "    ttl=timedelta(hours=6),\n"
            '    source=Source("my_rows", lambda: my_rows(flights), '
            'created_timestamp_column="created_timestamp"),\n'
            ")"
        ),
        "rows have no such column",
    ),
    (
        "09.2",
        (
            "my_view = FeatureView(\n"
            '    "airport_departures",\n'
            '    entities=[Entity("destination", join_keys=["dest"])],\n'
            '    schema=[Field("dest_arr_delay", "float64")],\n'
            "    ttl=timedelta(hours=6),\n"
            '    source=Source("my_rows", lambda: my_rows(flights), '
            'created_timestamp_column="created_timestamp"),\n'
            ")"
        ),
        "already; give yours",
    ),
    ("09.2", "my_view = my_rows", "give a FeatureView"),
    ("09.3", "my_service = my_view", "give a FeatureService"),
    (
        "09.4",
        (
            "my_report = evaluate_gates(candidate, champion, FLIGHTS_POLICY, "
            "measured=Measured(measured.metrics), at=clock.now())"
        ),
        "the gate refused it",
    ),
    (
        "09.4",
        (
            "my_report = evaluate_gates(candidate, champion, FLIGHTS_POLICY, at=clock.now(), "
            "measured=Measured(measured.metrics, measured.metrics, measured.data))"
        ),
        "the champion once more",
    ),
    ("09.4", "my_report = True", "that evaluate_gates returns"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("exercise_id", "source", "says"), MORE)
def test_a_rarer_mistake_is_answered_too(exercise_id: str, source: str, says: str) -> None:
    verdict = _answer(find_exercise(exercise_id), source)

    assert verdict.status == "not yet"
    assert says in verdict.message
    assert "it raised" not in verdict.message
