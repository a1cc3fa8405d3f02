"""The forms in which SageMaker, Vertex AI, KServe and MLflow send flights, and the answers each of them expects."""

from __future__ import annotations

import io
import json
import struct
from datetime import UTC, datetime

import pytest

from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.delivery.server import (
    AccessLog,
    Contract,
    ServerState,
    contract_of,
    create_app,
    load_predictor,
    load_served_model,
)

ROW = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}
NAMES = ["airline", "hour", "delay", "in_air", "waiting"]
KEYS = {"flight_id": "flight 3", "origin": "EWR"}


@pytest.fixture
def expected(filled_home) -> float:
    model = load_served_model(filled_home, "late")
    return model.predict({"airline": ["UA"], "hour": [7.0], "delay": [12.5], "waiting": [3.0], "in_air": ["True"]})[0]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"instances": [ROW]}, id="vertex-objects"),
        pytest.param({"instances": [[ROW[name] for name in NAMES]]}, id="vertex-lists"),
        pytest.param({"instances": [ROW], "parameters": {}}, id="vertex-parameters"),
        pytest.param({"dataframe_records": [ROW]}, id="mlflow-records"),
        pytest.param(
            {"dataframe_split": {"columns": NAMES, "data": [[ROW[name] for name in NAMES]]}}, id="mlflow-split"
        ),
        pytest.param({"inputs": {name: [value] for name, value in ROW.items()}}, id="mlflow-inputs"),
        pytest.param({"inputs": [ROW]}, id="mlflow-inputs-rows"),
        pytest.param([ROW], id="bare-list"),
        pytest.param(ROW, id="one-row"),
        pytest.param({**ROW, "unknown to the model": 1}, id="a-column-too-many"),
    ],
)
def test_json_in_every_form_gets_the_same_probability_and_the_version(app, expected, body):
    answer = app.predict(body)

    assert answer.status == 200
    assert answer.json == {"predictions": [expected], "model_name": "late", "model_version": "2"}
    assert (answer.headers["x-model-name"], answer.headers["x-model-version"]) == ("late", "2")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param("UA,7,12.5,True,3.0\n", "text/csv", id="bare"),
        pytest.param("waiting,in_air,airline,hour,delay\r\n3,True,UA,7,12.5\r\n", "text/csv", id="with-a-header"),
        pytest.param("a,b,c,d,e\nUA,7,12.5,True,3\n", "text/csv; header=absent", id="a-lie-about-the-header"),
        pytest.param('\ufeffairline,hour,delay,in_air,waiting\n"UA",7,12.5,True,3\n', "text/csv", id="excel"),
    ],
)
def test_csv_gets_csv(app, expected, body, kind):
    answer = app.predict(body.encode(), kind)

    if "absent" in kind:
        assert answer.status == 422
        return
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert float(answer.body) == expected


def test_a_parameter_of_the_media_type_counts_in_any_place(app):
    row = b"hour,7,12.5,True,3\n"  # an airline that is called as a column is

    assert app.predict(row, "text/csv").status == 422
    assert app.predict(row, "text/csv; charset=utf-8; header=absent").status == 200


def test_csv_is_answered_in_json_where_that_is_accepted(app, expected):
    answer = app.predict(b"UA,7,12.5,True,3.0\n", "text/csv", accept="application/json")

    assert answer.json["predictions"] == [expected]


def test_json_lines_are_rows(app, expected):
    body = (json.dumps(ROW) + "\n") * 2

    answer = app.predict(body.encode(), "application/jsonlines", accept="application/jsonlines")

    assert [json.loads(line) for line in answer.body.splitlines()] == [{"prediction": expected}] * 2


def test_what_is_not_known_is_null_empty_or_nan(app):
    with_null = app.predict({"instances": [{**ROW, "delay": None, "airline": None}]})
    with_nan = app.predict(
        json.dumps({"instances": [{**ROW, "delay": float("nan"), "airline": float("nan")}]}).encode()
    )
    with_nothing = app.predict(b",7,,True,3.0\n", "text/csv", accept="application/json")

    assert with_null.status == 200
    assert with_null.json == with_nan.json == with_nothing.json


def test_a_client_may_send_the_flight_and_the_store_knows_the_rest(app, filled_home):
    from mlops_lab.data.features import FeatureStore

    seen = FeatureStore(filled_home).get_online_features([KEYS], features="all").to_dict()
    row = {name: seen[name][0] for name in NAMES}

    by_keys, whole = app.predict({"instances": [KEYS]}), app.predict({"instances": [row]})

    assert by_keys.status == 200
    assert by_keys.json == whole.json


def test_an_answer_from_the_store_says_how_old_its_features_were(app):
    prometheus = pytest.importorskip("prometheus_client.parser")

    by_keys, whole = app.predict({"instances": [KEYS]}), app.predict({"instances": [ROW]})

    families = prometheus.text_string_to_metric_families(app("GET", "/metrics").body.decode())
    gauge = next(one for one in families if one.name == "mlops_lab_features_age_seconds")
    filled = datetime(2013, 12, 7, tzinfo=UTC)
    assert float(by_keys.headers["x-features-age-seconds"]) == pytest.approx(
        (datetime.now(UTC) - filled).total_seconds(), abs=60
    )
    assert gauge.samples[0].value == pytest.approx(float(by_keys.headers["x-features-age-seconds"]), abs=1)
    assert "x-features-age-seconds" not in whole.headers


def test_every_unknown_key_of_a_batch_is_named(app):
    rows = [{**KEYS, "flight_id": name} for name in ("x", "flight 3", "y")]

    answer = app.predict({"instances": rows}, prefer="handling=strict")

    assert answer.status == 404
    assert all(name in answer.json["error"] for name in ("row 0", "'x'", "row 2", "'y'"))


@pytest.mark.parametrize("fault", [{"flight_id": "x"}, {"flight_id": 3}, {"flight_id": None}], ids=str)
def test_in_a_batch_of_keys_the_others_are_answered_and_each_error_is_named(app, fault):
    rows = [{**KEYS, **fault}, KEYS, {**KEYS, "flight_id": "y"}]

    answer = app.predict({"instances": rows})

    alone = app.predict({"instances": [KEYS]}).json["predictions"]
    assert (answer.status, answer.json["predictions"]) == (200, [None, *alone, None])
    assert [one["row"] for one in answer.json["errors"]] == [0, 2]
    assert "'y'" in answer.json["errors"][1]["error"]


@pytest.mark.parametrize(
    "fault", [{"hour": "seven"}, {"hour": True}, {"hour": [7]}, {"airline": 9}, {"delay": 10**400}], ids=str
)
def test_in_a_batch_of_rows_the_others_are_answered(app, expected, fault):
    answer = app.predict({"instances": [ROW, {**ROW, **fault}, {**ROW, "waiting": "x"}, ROW]})

    assert answer.status == 200
    assert answer.json["predictions"] == [expected, None, None, expected]
    assert [(one["row"], one["kind"]) for one in answer.json["errors"]] == [(1, "WrongType"), (2, "WrongType")]


def test_a_batch_in_which_no_row_is_right_is_an_error_of_the_first(app):
    answer = app.predict({"instances": [{**ROW, "waiting": "x"}, {**ROW, "hour": "seven"}]})

    assert (answer.status, answer.json["kind"]) == (422, "WrongType")
    assert "'seven'" in answer.json["error"]


def test_json_lines_name_the_error_in_the_line_of_the_row(app, expected):
    body = "\n".join(json.dumps(row) for row in (ROW, {**ROW, "hour": "x"}))

    answer = app.predict(body.encode(), "application/jsonlines", accept="application/jsonlines")

    first, second = (json.loads(line) for line in answer.body.splitlines())
    assert (first, second["prediction"]) == ({"prediction": expected}, None)
    assert "'hour' must be a number" in second["error"]


@pytest.mark.parametrize("cells", ["UA,7,12.5,true,3.0", "UA,7,12.5,TRUE,3.0", " UA , 7,12.5 , True,3.0 "], ids=str)
def test_csv_is_read_as_it_is_meant(app, expected, cells):
    assert float(app.predict(f"{cells}\n".encode(), "text/csv").body) == expected


def test_words_that_the_model_never_saw_are_counted(app):
    told = io.StringIO()
    app.state.log = AccessLog(told)

    app.predict({"instances": [ROW, {**ROW, "airline": "ZZ"}, {**ROW, "airline": None}]})

    assert json.loads(told.getvalue())["unknown_words"] == {"airline": 1}
    assert b'mlops_lab_unknown_words_total{column="airline"} 1.0' in app("GET", "/metrics").body


BINARY = {"airline": ("BYTES", b"\x02\0\0\0UA"), "hour": ("INT64", struct.pack("<q", 7)),
          "delay": ("FP64", struct.pack("<d", 12.5)), "waiting": ("FP32", struct.pack("<f", 3.0)),
          "in_air": ("BOOL", b"\1")}  # fmt: skip


def binary_request(rows=1, **more):
    inputs = [
        {"name": name, "shape": [rows, 1], "datatype": kind, "parameters": {"binary_data_size": rows * len(data)}}
        for name, (kind, data) in BINARY.items()
    ]
    header = json.dumps({"inputs": inputs, **more}).encode()
    return header + b"".join(rows * data for _, data in BINARY.values()), len(header)


def test_tensors_in_binary_are_read_and_answered_in_binary(app, expected):
    body, length = binary_request(2, outputs=[{"name": "probability", "parameters": {"binary_data": True}}])

    answer = app.predict(
        body, "application/octet-stream", path="/v2/models/late/infer", inference_header_content_length=str(length)
    )

    head = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.body[:head])["outputs"][0]
    assert (answer.status, output["shape"], output["parameters"]) == (200, [2], {"binary_data_size": 16})
    assert struct.unpack("<2d", answer.body[head:]) == (expected, expected)
    assert app("GET", "/v2").json["extensions"] == ["binary_tensor_data"]


def test_tensors_in_binary_are_answered_in_json_when_nothing_else_is_asked(app, expected):
    body, length = binary_request()

    answer = app.predict(body, path="/v2/models/late/infer", inference_header_content_length=str(length))

    assert answer.json["outputs"][0]["data"] == [expected]


@pytest.mark.parametrize("length", ["0", "x", "-1", "99999", "10", "²"])
def test_a_wrong_length_of_the_header_is_refused(app, length):
    body, _ = binary_request()

    answer = app.predict(body, path="/v2/models/late/infer", inference_header_content_length=length.encode())

    assert (answer.status, answer.json["kind"]) == (400, "MalformedBody")


@pytest.mark.parametrize("fault", ["too-short", "too-long", "odd", "no-text", "a-text-beyond-the-end"])
def test_bytes_that_do_not_fit_their_tensors_are_refused(app, fault):
    kind, data = {"odd": ("FP64", b"1234567"), "no-text": ("BYTES", b"\x01\0\0\0\xff"),
                  "a-text-beyond-the-end": ("BYTES", b"\xff\0\0\0a")}.get(fault, ("FP64", bytes(8)))  # fmt: skip
    one = {"name": "hour", "shape": [1], "datatype": kind, "parameters": {"binary_data_size": len(data)}}
    header = json.dumps({"inputs": [one]}).encode()
    body = header + {"too-short": data[:-1], "too-long": data + b"!"}.get(fault, data)

    answer = app.predict(body, path="/v2/models/late/infer", inference_header_content_length=str(len(header)))

    assert (answer.status, answer.json["kind"]) == (400, "MalformedBody")


def test_the_openapi_document_names_the_features_of_the_model(app):
    found = app("GET", "/openapi.json").json

    row = found["components"]["schemas"]["Instances"]["properties"]["instances"]["items"]
    assert sorted(row["required"]) == sorted(NAMES)
    assert {"/invocations", "/v2/models/{name}/infer", "/metrics"} <= set(found["paths"])


def test_an_airport_that_nothing_is_known_of_counts_as_unknown_features(app, filled_home):
    row = app.predict({"instances": [{**KEYS, "origin": "XYZ"}]})

    assert row.status == 200


def test_kserve_reads_columns_as_tensors_and_answers_with_one(app, expected):
    types = {"airline": "BYTES", "hour": "INT64", "delay": "FP64", "waiting": "FP32", "in_air": "BOOL"}
    inputs = [{"name": name, "shape": [1, 1], "datatype": types[name], "data": [ROW[name]]} for name in NAMES]

    answer = app.predict({"id": "a", "inputs": inputs}, path="/v2/models/late/infer")

    output = {"name": "probability", "shape": [1], "datatype": "FP64", "data": [expected]}
    assert answer.json == {"model_name": "late", "model_version": "2", "id": "a", "outputs": [output]}


def test_kserve_reads_keys_as_tensors_too(app):
    inputs = [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in KEYS.items()]

    answer = app.predict({"inputs": inputs}, path="/v2/models/late/versions/2/infer")

    assert answer.json["outputs"][0]["data"] == app.predict({"instances": [KEYS]}).json["predictions"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2", 200),
        ("/v2/health/live", 200),
        ("/v2/health/ready", 200),
        ("/v2/models/late", 200),
        ("/v2/models/late/ready", 200),
        ("/v2/models/late/versions/2/ready", 200),
        ("/v2/models/late/versions/7", 404),
        ("/v2/models/other", 404),
        ("/v1/models", 200),
        ("/v1/models/late", 200),
        ("/ping", 200),
        ("/health", 200),
        ("/version", 200),
        ("/metrics", 200),
        ("/invocations", 405),
        ("/nowhere", 404),
        ("/v2/models/../../etc/passwd", 404),
    ],
)
def test_every_address_has_its_status(app, path, status):
    assert app("GET", path).status == status


def test_a_server_is_live_before_it_is_ready_and_not_ready_once_it_stops(filled_home, app):
    empty = type(app)(ServerState("late", log=AccessLog(quiet=True)))
    before = [
        empty("GET", path).status for path in ("/v2/health/live", "/v2/health/ready", "/ping", "/v2/models/late/ready")
    ]
    asked = empty.predict({"instances": [ROW]})
    empty.state.open(load_predictor(filled_home, "late"))
    after = empty("GET", "/ping").status
    empty.state.close()

    assert before == [200, 503, 503, 503]
    assert (asked.status, asked.json["kind"], asked.headers["retry-after"]) == (503, "NotReady", "1")
    assert after == 200
    assert empty("GET", "/ping").status == 503
    assert empty.predict({"instances": [ROW]}).status == 200, "what has begun is finished"


def test_vertex_says_where_its_container_is_asked(filled_home, app):
    contract = contract_of(
        {"AIP_HTTP_PORT": "9000", "AIP_HEALTH_ROUTE": "/v1/e/1/d/2", "AIP_PREDICT_ROUTE": "/v1/e/1/d/2:predict"}
    )
    state = ServerState("late", log=AccessLog(quiet=True))
    state.open(load_predictor(filled_home, "late"))
    vertex = type(app)(state, contract=contract)

    assert contract.port == 9000
    assert vertex("GET", "/v1/e/1/d/2").status == 200
    assert "predictions" in vertex.predict({"instances": [ROW]}, path="/v1/e/1/d/2:predict").json


@pytest.mark.parametrize(
    ("variables", "home"),
    [
        ({}, None),
        ({"AIP_STORAGE_URI": "gs://bucket/models/7/"}, "/gcs/bucket/models/7"),
        ({"AIP_STORAGE_URI": "file:///models/a%20b"}, "/models/a b"),
        ({"AIP_STORAGE_URI": "/models"}, "/models"),
    ],
)
def test_the_model_lies_where_the_platform_put_it(variables, home):
    found = contract_of(variables).home

    assert (None if found is None else found.as_posix()) == home


@pytest.mark.parametrize(
    "variables",
    [
        {"AIP_HTTP_PORT": "http"},
        {"AIP_HTTP_PORT": "0"},
        {"AIP_HTTP_PORT": "65536"},
        {"AIP_PREDICT_ROUTE": "predict"},
        {"AIP_HEALTH_ROUTE": "/{name}"},
        {"AIP_HEALTH_ROUTE": "/predict"},
        {"AIP_STORAGE_URI": "s3://bucket/models"},
    ],
    ids=str,
)
def test_variables_that_make_no_sense_are_refused(variables):
    with pytest.raises(InvalidDefinition):
        contract_of(variables)


def test_prometheus_reads_requests_rows_scores_and_the_version(app):
    prometheus = pytest.importorskip("prometheus_client.parser")
    app.predict({"instances": [ROW, ROW]})
    app.predict({"instances": []})

    families = {
        one.name: one for one in prometheus.text_string_to_metric_families(app("GET", "/metrics").body.decode())
    }
    requests = {tuple(one.labels.values()): one.value for one in families["mlops_lab_requests"].samples}

    assert requests["/invocations", "200"] == 1
    assert requests["/invocations", "422"] == 1
    assert next(one.value for one in families["mlops_lab_rows"].samples if one.name.endswith("_total")) == 2
    assert families["mlops_lab_model_info"].samples[0].labels["version"] == "2"
    assert families["mlops_lab_ready"].samples[0].value == 1


def test_without_the_extra_the_error_names_it(monkeypatch):
    import sys

    from mlops_lab.base.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "fastapi", None)

    with pytest.raises(MissingExtra, match=r"mlops-lab\[serve\]"):
        create_app(ServerState("late"), contract=Contract())
