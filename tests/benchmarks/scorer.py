"""How fast is the compiled scorer beside scikit-learn's `predict_proba` and ONNX Runtime, and how far from it?

    python tests/benchmarks/scorer.py       with skl2onnx and onnxruntime installed, those as well

CPU time of one call in milliseconds, the best of five; the gap is the largest difference from `predict_proba`.
"""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np
import pandas as pd

from mlops_lab.delivery.server import compiled_scorer, estimator_scorer
from mlops_lab.models.training import build_model


def data(rows: int = 3000) -> pd.DataFrame:
    chance = np.random.default_rng(7)
    numbers = {f"n{at}": np.where(chance.random(rows) < 0.1, np.nan, chance.normal(0, 30, rows)) for at in range(28)}
    texts = {f"t{at}": chance.choice(["UA", "AA", "B6", "DL"], rows) for at in range(6)}
    return pd.DataFrame({**texts, **numbers})


def best(call, repeats: int) -> float:
    times = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(repeats):
            call()
        times.append((time.process_time() - began) / repeats)
    return 1000 * min(times)


def main() -> None:
    frame = data()
    late = (frame["n0"].fillna(0) > 0).to_numpy()
    model = build_model("logistic", frame).fit(frame, late)
    slow = estimator_scorer(model)
    fast = compiled_scorer(model, slow)
    scorers = {"predict_proba": slow, "compiled": fast}
    try:
        import onnxruntime
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

        kinds = [
            (name, StringTensorType([None, 1]) if name[0] == "t" else DoubleTensorType([None, 1])) for name in frame
        ]
        session = onnxruntime.InferenceSession(
            to_onnx(model, initial_types=kinds, options={"zipmap": False}).SerializeToString()
        )

        def onnx(columns):
            fed = {
                name: np.asarray(values, dtype=object if name[0] == "t" else np.float64).reshape(-1, 1)
                for name, values in columns.items()
            }
            return session.run(None, fed)[1][:, 1]

        scorers["ONNX Runtime"] = onnx
    except Exception as error:
        print(f"ONNX Runtime: {type(error).__name__}: {str(error).splitlines()[0][:120]}")
    for rows in (1, 100, 1000):
        columns = {name: frame[name].head(rows).tolist() for name in frame}
        expected = slow(columns)
        for name, score in scorers.items():
            with suppress(ValueError):
                gap = abs(score(columns) - expected).max()
                took = best(lambda score=score, columns=columns: score(columns), 20 if rows < 1000 else 3)
                print(f"{rows:>5} rows  {name:<14} {took:9.3f} ms   gap {gap:.1e}")


if __name__ == "__main__":
    main()
