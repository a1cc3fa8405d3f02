"""What do the embedded registry and MLflow answer today? Asked and kept with the course, for `ask_registries`.

Run it where MLflow is installed: `python start.py test-engines feast-mlflow --prepare`, then
`.venv-feast-mlflow/bin/python scripts/keep_promises.py`. The runs of the pipeline in the same file are those that
`tests/mlflow/test_pipeline_on_engines.py` measures; it says so when they change.
"""

from __future__ import annotations

import json
from importlib.util import find_spec

from mlops_lab.adapters.promises import KEPT, ask_registries


def main() -> None:
    """Ask, and keep the answers beside the package's own module."""
    if find_spec("mlflow") is None:
        raise SystemExit("MLflow is not installed here; nothing was kept.")
    kept = json.loads(KEPT.read_text("utf-8"))
    kept["registry"] = [vars(each) for each in ask_registries()]
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
