"""What the tests of the checks share."""

from __future__ import annotations

import pytest

from mlops_lab.teaching.checks import all_exercises, judging
from tests.checks.clauses import VERDICTS


@pytest.fixture(autouse=True)
def nothing_was_replaced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for what a learner replaced walks the whole package twice an answer; `test_attacks.py` is about it."""
    if request.node.path.name != "test_attacks.py":
        monkeypatch.setattr(judging, "expect_as_delivered", list)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With `-s`: how many answers to each exercise were refused and how many accepted, if all is green rightly."""
    if config.option.capture == "no" and VERDICTS:
        terminalreporter.write_line("exercise  refused  accepted")
        for exercise in all_exercises():
            refused, accepted = (VERDICTS[exercise.id, status] for status in ("not yet", "passed"))
            terminalreporter.write_line(f"{exercise.id:<8} {refused:>8} {accepted:>9}")
