"""What the tests of the checks share."""

from __future__ import annotations

import pytest

from mlops_lab.teaching.checks import judging


@pytest.fixture(autouse=True)
def nothing_was_replaced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for what a learner replaced walks the whole package twice an answer; `test_attacks.py` is about it."""
    if request.node.path.name != "test_attacks.py":
        monkeypatch.setattr(judging, "expect_as_delivered", list)
