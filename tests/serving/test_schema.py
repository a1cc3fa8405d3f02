"""The server keeps what its OpenAPI document says, whatever schemathesis thinks of."""

from __future__ import annotations

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="the extra `test` brings it")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from schemathesis import checks  # noqa: E402
from schemathesis.specs.openapi import checks as conformance  # noqa: E402

from mlops_lab.delivery.server import AccessLog, Limits, ServerState, create_app, load_predictor  # noqa: E402

CHECKS = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]


@pytest.fixture(scope="module")
def served(filled_home):
    limits = Limits(rows=50, body_bytes=200_000)
    state = ServerState("late", limits=limits, log=AccessLog(quiet=True))
    state.open(load_predictor(filled_home, "late", max_rows=limits.rows))
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(state))


@pytest.mark.nightly
def test_every_answer_is_as_the_document_says(served):
    asked = {}
    for found in served.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def answers(case):
            answer = case.call_and_validate(checks=CHECKS)
            asked.setdefault(case.path, set()).add(answer.status_code)

        answers()

    assert len(asked) == 18
    assert {200, 404, 422} <= set.union(*asked.values())
