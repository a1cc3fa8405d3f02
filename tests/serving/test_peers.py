"""KServe's own client, MLflow's scoring client and MLServer's own types accept the server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    "serving" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
    reason="python start.py test-engines serving runs it",
)
ROW = {"airline": "UA", "hour": 7, "delay": None, "waiting": 3.0, "in_air": True}
TYPES = {"airline": "BYTES", "hour": "INT64", "delay": "FP64", "waiting": "FP64", "in_air": "BOOL"}


@pytest.fixture(scope="module")
def server(filled_home, launch):
    process = launch(filled_home)
    process.read_until("ready")
    yield process
    assert process.end() == 0


@pytest.fixture(scope="module")
def expected(server):
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/invocations", json.dumps([ROW, ROW]), {"content-type": "application/json"})
    found = json.loads(connection.getresponse().read())["predictions"]
    connection.close()
    return found


def test_mlflow_pings_and_scores(server, expected):
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client = ScoringServerClient("127.0.0.1", server.port)
    client.wait_server_ready(timeout=30)

    found = client.invoke(pd.DataFrame([ROW, ROW])).get_predictions()

    client.ping()
    assert client.get_version()
    assert found[0].tolist() == expected


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_kserve_finds_it_live_ready_and_inferring(server, expected, protocol):
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    base = f"http://127.0.0.1:{server.port}"

    async def ask():
        client = InferenceRESTClient(RESTConfig(protocol=protocol, retries=1, timeout=60))
        states = [await client.is_model_ready(base, "late")]
        if protocol == "v2":
            states += [await client.is_server_live(base), await client.is_server_ready(base)]
            inputs = [InferInput(name, [2], TYPES[name], [ROW[name], ROW[name]]) for name in ROW]
            found = await client.infer(base, InferRequest("late", inputs, "a"), model_name="late")
            scores = found.outputs[0].as_numpy().tolist()
        else:
            scores = (await client.infer(base, {"instances": [ROW, ROW]}, model_name="late"))["predictions"]
        await client.close()
        return states, scores

    states, scores = asyncio.run(ask())

    assert all(states)
    assert scores == expected


def test_mlserver_s_types_read_its_answers_and_its_pandas_codec_writes_its_requests(server):
    # In a process of its own: kserve and mlserver both register the protocol's messages, and only one of them can.
    script = f"""
import httpx, pandas as pd
from mlserver.codecs import PandasCodec
from mlserver.types import InferenceResponse, MetadataModelResponse, MetadataServerResponse
base, row = "http://127.0.0.1:{server.port}", {{**{ROW!r}, "delay": 1.0}}
request = PandasCodec.encode_request(pd.DataFrame([row] * 2), use_bytes=False)
answer = httpx.post(base + "/v2/models/late/infer", content=request.model_dump_json(), timeout=60)
assert answer.status_code == 200, answer.text
whole = httpx.post(base + "/invocations", json=[row] * 2, timeout=60)
found = InferenceResponse.model_validate_json(answer.content)
assert list(found.outputs[0].data.root) == whole.json()["predictions"]
model = MetadataModelResponse.model_validate_json(httpx.get(base + "/v2/models/late", timeout=60).content)
assert model.name == "late"
about = MetadataServerResponse.model_validate_json(httpx.get(base + "/v2", timeout=60).content)
assert about.name == "mlops-lab"
"""

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr
