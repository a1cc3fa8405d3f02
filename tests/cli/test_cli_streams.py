"""What happens when nobody can be told, and when a home folder is another project's?"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.cli import main
from mlops_lab.data.features import Entity, FeatureStore, FeatureView, Field, Source

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell of its own closes its streams otherwise")


def shell(line):
    words = ["sh", "-c", f'"$0" -m mlops_lab {line}', sys.executable]
    return subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("line", ["dag next >&-", "dag next 2>&-"])
def test_a_closed_stream_is_nobodys_to_hear(line):
    told = shell(line)

    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full disk at hand")
def test_an_answer_that_finds_no_room_says_so_in_one_line():
    told = shell("dag next > /dev/full")

    assert told.returncode == 1
    assert told.stderr == "mlops-lab: the answer cannot be written: No space left on device.\n"


def test_looking_at_another_projects_features_adds_none_of_ours(tmp_path, capsys):
    rows = Source("rows", pd.DataFrame({"event_timestamp": []}))
    schema = [Field("spent", "float64")]
    FeatureStore(tmp_path, clock=FakeClock()).apply(
        [FeatureView("orders", entities=[Entity("customer")], schema=schema, ttl=None, source=rows)]
    )
    (tmp_path / "empty").mkdir()

    told = []
    for home in (tmp_path, tmp_path / "empty"):
        main(["features", "list", "--home", str(home), "--json"])
        told.append(json.loads(capsys.readouterr().out))

    assert [view["name"] for view in told[0]["feature_views"]] == ["orders"]
    assert len(told[1]["feature_views"]) > 1
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="bash and head")
@pytest.mark.parametrize("words", ["gate --print-policy", "--help", "registry --help"])
def test_a_reader_that_has_read_enough_does_not_change_the_exit_code(words):
    line = f"set -o pipefail; {sys.executable} -c 'import sys, time; from mlops_lab.cli.program import main; "
    line += f"time.sleep(0.5); sys.exit(main(sys.argv[1:]))' {words} | true"

    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (0, "")
