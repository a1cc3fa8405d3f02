"""The image: built from the Dockerfile, run as the cluster runs it, and asked."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytest.importorskip("kfp", reason="python start.py test-engines cloud runs it")
ROOT = Path(__file__).parents[2]
PINNED = re.search("^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
BASE = os.environ.get("MLOPS_LAB_BASE_IMAGE", PINNED)
NAMES = {target: f"localhost/mlops-lab-test-{target}" for target in ("server", "pipeline")}
LARGEST = 350_000_000  # bytes of the server's image, not compressed, with a small home inside
FILES = ("Dockerfile", ".dockerignore", "constraints.txt", "pyproject.toml", "README.md", "LICENSE")
FOLDERS = ("constraints", "deploy", "mlops_lab")
PATIENCE = 300  # seconds that a busy machine may need to load scikit-learn in a container
ROW = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}


def podman(*words, **options):
    # Where the system cannot hand out what crun asks for, runc gets by.
    runtime = ["--runtime", "runc"] if shutil.which("runc") else []
    return subprocess.run(
        ["podman", *runtime, *map(str, words)], capture_output=True, text=True, check=False, **options
    )


def build_home(folder):
    path = ROOT / "tests" / "serving" / "conftest.py"
    spec = importlib.util.spec_from_file_location("serving_homes_of_image", path)
    homes = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = homes
    spec.loader.exec_module(homes)
    return homes.build_home(folder, name="late_flights", rolled_out=True)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The names of both images, with a home folder and, in the pipeline's, kfp inside, built without the network."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed; on Debian: apt-get install podman runc")
    folder = tmp_path_factory.mktemp("image")
    (folder / "containers.conf").write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n')
    patch = pytest.MonkeyPatch()
    patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
    try:
        if podman("image", "exists", BASE).returncode != 0:
            with suppress(subprocess.TimeoutExpired):
                podman("pull", "--quiet", BASE, timeout=120)
            if podman("image", "exists", BASE).returncode != 0:
                pytest.skip(f"the image {BASE} can be neither found nor fetched; MLOPS_LAB_BASE_IMAGE names another")
        wheels, context = folder / "wheels", folder / "context"
        if sys.version_info[:2] != (3, 11) or importlib.util.find_spec("pip") is None:
            pytest.skip("the wheels of the image are fetched by a Python 3.11 with pip, and this one is another")
        pinned = ROOT / "constraints" / "cloud.txt"
        asked = ["--requirement", ROOT / "deploy" / "pipeline.txt", "--constraint", pinned, "kfp"]
        locked = ["--no-deps", "--require-hashes", "--requirement", ROOT / "deploy" / "requirements.lock"]
        for words in (locked, asked, ["hatchling", "setuptools", "wheel"]):
            fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", wheels, *words]
            subprocess.run(fetch, check=True, timeout=900)
        (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        for name in FOLDERS:
            shutil.copytree(ROOT / name, context / name)
        for name in FILES:
            shutil.copy2(ROOT / name, context / name)
        build_home(context / "home")
        for target, name in NAMES.items():
            built = podman(
                "build", "--pull=never", "--network=none", "--target", target, "--tag", name,
                "--build-arg", f"BASE={BASE}", "--build-arg", "HOME_DIR=home", "--build-arg", "PACKAGES=kfp",
                "--build-arg", "CONSTRAINTS=constraints/cloud.txt",
                "--volume", f"{wheels}:/wheels:ro", "--volume", f"{folder / 'pip.conf'}:/etc/pip.conf:ro", context,
                timeout=1800,
            )  # fmt: skip
            assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
        yield NAMES
    finally:
        podman("image", "rm", "--force", *NAMES.values())
        patch.undo()


@pytest.fixture(params=NAMES)
def container(images, request, tmp_path):
    """A running container, as restricted as the Deployment's, and its port."""
    scratch = tmp_path / "scratch"  # like Kubernetes' emptyDir; what mode a tmpfs gets, runtimes do not agree on
    scratch.mkdir()
    scratch.chmod(0o777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = podman(
        "run", "--detach", "--network=host", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges",
        "--volume", f"{scratch}:/var/lib/mlops-lab", "--env", f"AIP_HTTP_PORT={port}",
        images[request.param], "serve", "--drain", "1",
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    name = started.stdout.strip()
    try:
        yield name, port
    finally:
        podman("rm", "--force", "--time", "0", name)


def ask(port, method, path, body=None):
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_image_serves_as_nobody_in_particular_and_stops_when_told(container):
    name, port = container
    until, ready = time.monotonic() + PATIENCE, 0
    while ready != 200 and time.monotonic() < until and podman("ps", "--quiet", "--no-trunc").stdout.count(name):
        with suppress(OSError):
            ready = ask(port, "GET", "/ping")[0]
        time.sleep(0.2)

    logs = podman("logs", name)
    assert ready == 200, logs.stdout + logs.stderr
    status, whole = ask(port, "POST", "/invocations", json.dumps({"instances": [ROW]}))
    assert (status, json.loads(whole)["model_version"]) == (200, "2")
    status, looked_up = ask(port, "POST", "/predict", json.dumps({"flight_id": "flight 3", "origin": "EWR"}))
    assert (status, json.loads(looked_up)["model_name"]) == (200, "late_flights")
    assert podman("exec", name, "python", "-c", "import os; print(os.getuid())").stdout.strip() == "10001"
    assert podman("exec", name, "sleep", "0").returncode == 0  # Kubernetes does, before it stops a pod

    podman("stop", "--time", "60", name)
    logs = podman("logs", name)
    events = [json.loads(line)["event"] for line in (logs.stdout + logs.stderr).splitlines()]
    assert podman("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"
    assert events[-2:] == ["stopping", "stopped"]


def test_the_tasks_of_vertex_ai_find_their_executor_in_it(images):
    called = "mktemp && python -c 'import kfp.dsl.executor_main, mlops_lab, pyarrow'"  # by a shell, as KFP does
    found = podman("run", "--rm", "--network=none", images["pipeline"], "sh", "-ec", called)

    assert (found.returncode, found.stderr) == (0, "")


def test_the_server_is_small_and_says_that_it_runs_no_pipeline(images):
    size = int(podman("image", "inspect", "--format", "{{.Size}}", images["server"]).stdout)
    asked = ("python", "-m", "mlops_lab", "container", "task", "check_data")
    refused = podman("run", "--rm", "--network=none", images["server"], *asked)

    assert size < LARGEST
    assert refused.returncode == 1
    assert "--target pipeline" in refused.stderr
