"""A server needs no Arrow, which is a third of an image: rows and keys are answered without."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

NOT_INSTALLED = ("pyarrow", "jupyterlab", "matplotlib", "ipywidgets", "anywidget", "IPython")
KNOWN = {"airline": "UA", "hour": 7, "delay": 12.5, "waiting": 3.0, "in_air": True}
KEYS = {"flight_id": "flight 3", "origin": "EWR"}
SCRIPT = """
import sys
class NotInstalled:
    @staticmethod
    def find_spec(name, *_):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInstalled)
from mlops_lab.delivery.server import ServerState, create_app, load_predictor
predictor = load_predictor({home!r}, "late")
create_app(ServerState("late"))
for body in {bodies}:
    print(predictor.answer(predictor.table(body, "application/json")).scores)
"""


def answers(home, absent):
    bodies = [json.dumps(body).encode() for body in ({"instances": [KNOWN] * 3}, KEYS)]
    script = SCRIPT.format(home=str(home), absent=absent, bodies=bodies)
    return subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_rows_and_keys_are_answered_without_arrow_and_the_notebooks_packages(filled_home):
    plain, small = answers(filled_home, ()), answers(filled_home, NOT_INSTALLED)

    assert (plain.returncode, small.returncode) == (0, 0), plain.stderr + small.stderr
    assert small.stdout == plain.stdout != ""


@pytest.mark.slow
def test_what_a_server_does_need_is_missed(filled_home):
    assert "sklearn" in answers(filled_home, ("sklearn",)).stderr
