"""Whatever a client sends, it gets the promised status and one sentence: no traceback, no path, no lost server."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from mlops_lab.data.features import FeatureStore
from mlops_lab.delivery.server import AccessLog, Lookup, RequestError

ROW = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}
KEYS = {"flight_id": "flight 3", "origin": "EWR"}
TENSOR = {"name": "hour", "shape": [1], "datatype": "INT64", "data": [7]}


def without(name):
    return {key: value for key, value in ROW.items() if key != name}


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        pytest.param(b"", 400, "MalformedBody", "empty", id="nothing"),
        pytest.param(b'{"instances": [', 400, "MalformedBody", "not JSON", id="cut-off"),
        pytest.param(b"\xff\xfe\x00", 400, "MalformedBody", "UTF-8", id="no-text"),
        pytest.param(b"[" * 9000, 400, "MalformedBody", "the body is n", id="a-tower-of-brackets"),
        pytest.param(b"[" + b"9" * 5000 + b"]", 400, "MalformedBody", "too long", id="a-number-of-5000-digits"),
        pytest.param(b"3", 422, "NoRows", "number", id="a-number"),
        pytest.param(b"null", 422, "NoRows", "null", id="null"),
        pytest.param(b"{}", 422, "NoRows", "no rows", id="an-empty-object"),
        pytest.param({"instance": [ROW]}, 422, "NoRows", "'instances'", id="a-typo"),
        pytest.param({"instances": []}, 422, "NoRows", "empty", id="no-rows"),
        pytest.param({"instances": [{}]}, 422, "NoRows", "no rows", id="a-row-of-nothing"),
        pytest.param({"instances": {"a": 1}}, 422, "NoRows", "object", id="an-object-for-a-list"),
        pytest.param({"instances": [ROW, 3]}, 422, "WrongType", "row 1", id="two-kinds-of-rows"),
        pytest.param({"instances": [[1, 2]]}, 422, "WrongShape", "5 columns", id="too-short-a-list"),
        pytest.param({"instances": [without("hour")]}, 422, "MissingColumn", "'hour'", id="a-column-missing"),
        pytest.param({"instances": [{**without("hour"), "houre": 1}]}, 422, "MissingColumn", "'houre'", id="misspelt"),
        pytest.param({"instances": [ROW, without("hour")]}, 422, "MissingColumn", "row 1", id="missing-in-one-row"),
        pytest.param({"instances": [{**ROW, "hour": "seven"}]}, 422, "WrongType", "'seven'", id="text-for-a-number"),
        pytest.param({"instances": [{**ROW, "hour": True}]}, 422, "WrongType", "True", id="truth-for-a-number"),
        pytest.param({"instances": [{**ROW, "hour": [7]}]}, 422, "WrongType", "[7]", id="a-list-for-a-number"),
        pytest.param({"instances": [{**ROW, "airline": 9}]}, 422, "WrongType", "'airline'", id="a-number-for-text"),
        pytest.param(b'[{"airline":"UA","hour":Infinity,"delay":1,"waiting":1,"in_air":true}]', 422, "WrongType",
                     "inf", id="infinity"),
        pytest.param(b'[{"airline":"UA","hour":1e999,"delay":1,"waiting":1,"in_air":true}]', 422, "WrongType",
                     "inf", id="beyond-all-numbers"),
        pytest.param({"instances": [{**ROW, "hour": 10**400}]}, 422, "WrongType", "'hour'", id="a-huge-whole-number"),
        pytest.param({"instances": [{**ROW, "airline": "\ud800"}]}, 200, "", "", id="half-a-character"),
        pytest.param({"instances": [ROW] * 51}, 413, "TooManyRows", "51", id="too-many-rows"),
        pytest.param({"instances": ["x" * 30_000]}, 413, "TooLarge", "20,000", id="too-large"),
        pytest.param({"instances": [{"flight_id": "flight 3"}]}, 422, "MissingColumn", "'origin'", id="a-key-missing"),
        pytest.param({"instances": [{**KEYS, "flight_id": "x"}]}, 404, "UnknownEntity", "'x'", id="an-unknown-key"),
        pytest.param({"instances": [{**KEYS, "flight_id": None}]}, 404, "UnknownEntity", "None", id="a-null-key"),
        pytest.param({"instances": [{**KEYS, "flight_id": 3}]}, 422, "WrongType", "string", id="a-key-of-another-type"),
        pytest.param({"instances": [{**KEYS, "flight_id": "' OR 1=1 --"}]}, 404, "UnknownEntity", "OR", id="sql"),
        pytest.param({"dataframe_split": [1]}, 422, "NoRows", "dataframe_split", id="no-split"),
        pytest.param({"dataframe_split": {"columns": ["a"]}}, 422, "NoRows", "data", id="a-split-without-data"),
        pytest.param({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, 422, "DuplicateColumn", "'a'",
                     id="a-column-twice"),
        pytest.param({"inputs": {"hour": [1], "delay": [1, 2]}}, 422, "NoRows", "one length", id="ragged-columns"),
    ],
)  # fmt: skip
def test_a_bad_body_gets_its_status_and_a_sentence(app, body, status, kind, said):
    answer = app.predict(body, prefer="handling=strict")

    assert answer.status == status, answer.body
    if kind:
        assert answer.json["kind"] == kind
        assert said in answer.json["error"]
        assert answer.json["status"] == status
        assert "Traceback" not in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"<a/>", {"content_type": "application/xml"}, 415, id="xml"),
        pytest.param(b"{}", {"content_type": "application/json", "content_encoding": "gzip"}, 415, id="compressed"),
        pytest.param(json.dumps([ROW]).encode(), {"accept": "image/png"}, 406, id="a-picture-please"),
        pytest.param(b'"a\n', {"content_type": "text/csv"}, 400, id="an-open-quote"),
        pytest.param(b"\xff", {"content_type": "text/csv"}, 400, id="csv-that-is-no-text"),
        pytest.param(b"UA,7\n", {"content_type": "text/csv"}, 422, id="csv-too-short"),
        pytest.param(b"UA,seven,1,True,3\n", {"content_type": "text/csv"}, 422, id="csv-text-for-a-number"),
        pytest.param(b"UA,inf,1,True,3\n", {"content_type": "text/csv"}, 422, id="csv-infinity"),
        pytest.param(b"\n\n", {"content_type": "text/csv"}, 422, id="csv-of-empty-lines"),
        pytest.param(b"UA,6_2,1,True,3\n", {"content_type": "text/csv"}, 422, id="csv-underscore"),
        pytest.param("UA,٧,1,True,3\n".encode(), {"content_type": "text/csv"}, 422, id="csv-arabic-digit"),
    ],
)
def test_a_format_that_is_not_spoken_is_refused(app, body, headers, status):
    answer = app("POST", "/invocations", body, **headers)

    assert answer.status == status
    assert answer.json["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({}, 400, id="no-inputs"),
        pytest.param({"inputs": []}, 400, id="empty"),
        pytest.param({"inputs": [3]}, 400, id="no-tensor"),
        pytest.param({"inputs": [{**TENSOR, "shape": [2]}]}, 400, id="another-shape"),
        pytest.param({"inputs": [{**TENSOR, "shape": [-1]}]}, 400, id="a-negative-shape"),
        pytest.param({"inputs": [{**TENSOR, "datatype": "FP1024"}]}, 400, id="another-type"),
        pytest.param({"inputs": [{**TENSOR, "data": 3}]}, 400, id="no-list"),
        pytest.param({"inputs": [TENSOR, TENSOR]}, 422, id="twice"),
        pytest.param({"inputs": [TENSOR]}, 422, id="features-missing"),
        pytest.param({"inputs": [{**TENSOR, "parameters": {"binary_data_size": 8}}]}, 400, id="no-bytes-behind-it"),
        pytest.param({"inputs": [{**TENSOR, "shape": [1, 2], "data": [1, 2]}]}, 422, id="a-wide-column"),
        pytest.param({"inputs": [{**TENSOR, "datatype": {}}]}, 400, id="a-type-that-is-an-object"),
        pytest.param({"inputs": [{**TENSOR, "parameters": 5}]}, 400, id="parameters-that-are-a-number"),
        pytest.param({"inputs": [{**TENSOR, "data": [1.5]}]}, 422, id="half-a-whole-number"),
        pytest.param({"inputs": [{**TENSOR, "datatype": "UINT8", "data": [300]}]}, 422, id="too-large-for-its-type"),
        pytest.param({"inputs": [{**TENSOR, "datatype": "UINT8", "data": [-1]}]}, 422, id="below-its-type"),
        pytest.param({"inputs": [{**TENSOR, "datatype": "BOOL", "data": [1]}]}, 422, id="one-for-true"),
        pytest.param({"inputs": [{**TENSOR, "shape": [2, 2], "data": [[1, 2, 3], [4]]}]}, 400, id="ragged"),
    ],
)
def test_a_bad_tensor_gets_its_status_and_a_sentence(app, body, status):
    answer = app.predict(body, path="/v2/models/late/infer")

    assert answer.status == status
    assert answer.json["error"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["flight 3", "EWR", "UA"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["instances", "inputs", "dataframe_split", "columns", "data", *ROW, *KEYS, "name", "shape"]),
        inner, max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_no_json_at_all_makes_the_desk_fail(filled_home, value):
    from mlops_lab.delivery.server import load_predictor

    predictor = _PREDICTORS.setdefault(
        filled_home, load_predictor(filled_home, "late") if filled_home not in _PREDICTORS else None
    )
    body = json.dumps(value).encode()

    for read in (lambda: predictor.table(body, "application/json"), lambda: predictor.tensors(body)[0]):
        with contextlib.suppress(RequestError):
            assert all(0 <= score <= 1 for score in predictor.scores(read()))


_PREDICTORS: dict = {}


def test_a_bug_is_a_bare_500_for_the_client_and_a_traceback_in_the_log(app, monkeypatch):
    told = io.StringIO()
    app.state.log = AccessLog(told)

    def broken(*_arguments, **_settings):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(app.state.predictor, "answer", broken)
    answer = app.predict({"instances": [ROW]}, x_request_id="mine-7")

    line = json.loads(told.getvalue())
    assert (answer.status, answer.json["kind"], answer.headers["x-request-id"]) == (500, "InternalError", "mine-7")
    assert "secret" not in answer.body.decode()
    assert "ZeroDivisionError: secret detail" in line["traceback"]


def test_a_quiet_server_still_tells_of_what_failed_in_it(app, monkeypatch):
    told = io.StringIO()
    app.state.log = AccessLog(told, quiet=True)
    app.predict({"instances": []})
    monkeypatch.setattr(app.state.predictor, "answer", None)

    app.predict({"instances": [ROW]}, x_request_id="mine-9")

    assert [json.loads(line)["request_id"] for line in told.getvalue().splitlines()] == ["mine-9"]


def test_json_lines_say_which_line_is_none(app):
    answer = app.predict((json.dumps(ROW) + "\n\n{cut").encode(), "application/jsonlines")

    assert (answer.status, answer.json["kind"]) == (400, "MalformedBody")
    assert answer.json["error"].startswith("line 3: ")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv;q=0.1, application/json", "application/json"),
        ("application/json;q=0.2, text/csv;q=0.8", "text/csv"),
        ("text/csv, application/json", "text/csv"),
        ("*/*, application/json;q=0", "text/csv"),
        ("text/*;q=0.9, text/csv;q=0.1, application/*;q=0.5", "application/json"),
        ("*/*;q=0.1, application/jsonlines;q=0.2", "application/jsonlines"),
        ("text/csv;q=9, */*", "application/json"),
        ("", "application/json"),
    ],
)
def test_the_media_type_most_wanted_is_given(app, accept, kind):
    assert app.predict([ROW], accept=accept).headers["content-type"].startswith(kind)


def test_what_is_not_wanted_at_all_is_not_given_whatever_else_would_do(app):
    csv = b"UA,7,12.5,True,3\n"

    assert app.predict(csv, "text/csv").headers["content-type"].startswith("text/csv")
    answer = app.predict(csv, "text/csv", accept="text/csv;q=0, */*")
    assert answer.headers["content-type"].startswith("application/json")
    assert app.predict(csv, "text/csv", accept="*/*;q=0").status == 406


def test_each_answer_is_one_line_of_the_log_with_the_version(app):
    told = io.StringIO()
    app.state.log = AccessLog(told)

    app.predict({"instances": [ROW, ROW]}, x_request_id="mine-8")
    app.predict({"instances": []}, x_request_id="two\tlines")
    app("GET", "/ping")
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(0xA1, 0xB2, is_remote=False))):
        app.predict({"instances": [ROW]})
        app.predict({"instances": [ROW]}, traceparent=f"00-{'c3' * 16}-{'d4' * 8}-01")

    first, second, third, fourth = (json.loads(line) for line in told.getvalue().splitlines())
    assert "trace_id" not in first
    assert (third["trace_id"], fourth["trace_id"]) == (f"{0xA1:032x}", "c3" * 16)
    assert (first["route"], first["status"], first["rows"], first["request_id"]) == ("/invocations", 200, 2, "mine-8")
    assert (first["model"], first["version"]) == ("late", 2)
    assert (second["status"], second["request_id"]) == (422, "request-0")


def test_a_model_that_gives_no_probability_is_not_passed_on(app, monkeypatch):
    import dataclasses

    import numpy as np

    broken = dataclasses.replace(app.state.predictor.model, score=lambda columns: np.array([float("nan")]))
    monkeypatch.setattr(app.state.predictor, "model", broken)

    answer = app.predict({"instances": [ROW]})

    assert answer.status == 500


def test_an_online_store_that_cannot_be_read_is_no_fault_of_the_client(home):
    lookup = Lookup(home, "all")
    for path in home.glob("online.db*"):
        path.unlink()
    (home / "online.db").write_bytes(b"no database" * 500)

    with pytest.raises(RequestError) as refused:
        lookup.features({name: [value] for name, value in KEYS.items()})

    assert refused.value.status == 503
    assert str(home) not in str(refused.value)


def test_a_view_that_was_never_materialised_is_no_fault_of_the_client(home):
    (home / "online.db").unlink()
    FeatureStore(home)

    with pytest.raises(RequestError) as refused:
        Lookup(home, "all").features({name: [value] for name, value in KEYS.items()})

    assert refused.value.status == 503
