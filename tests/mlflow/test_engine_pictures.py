"""Do MLflow's and Feast's own pages show what the pipeline left, in a real browser?"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from browser_lab import find_chromium


@pytest.mark.nightly
def test_the_engines_own_pages_show_the_model_its_gate_and_its_features(tmp_path):
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    pytest.importorskip("grpc", reason="Feast's pages need feast[grpcio]")
    import engine_pictures

    from mlops_lab.adapters import choose_engines
    from mlops_lab.adapters.promises import KEPT_RUN
    from mlops_lab.pipeline.flights import run_flights

    home = tmp_path / "home"
    choose_engines(home, features="feast", registry="mlflow")
    run_flights(home, date="2013-06-01", params=KEPT_RUN)

    code = engine_pictures.main(home, tmp_path / "pictures")

    assert code == 0
    made = {path.stem: path.stat().st_size for path in (tmp_path / "pictures").glob("*.png")}
    assert set(made) == set(engine_pictures.PAGES)
    assert min(made.values()) > 10_000
