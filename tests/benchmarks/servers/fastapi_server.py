"""FastAPI and scikit-learn as FastAPI's own pages write it: a pydantic model, a lifespan, a plain function."""

import sys
from contextlib import asynccontextmanager

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model

model = joblib.load("model.joblib")
texts = {name for part, _, names in model.named_steps["columns"].transformers_ if part == "text" for name in names}
kinds = {name: (str if name in texts else float | None, ...) for name in model.feature_names_in_}
Row = create_model("Row", **kinds)


class Body(BaseModel):
    instances: list[Row]


class Predictions(BaseModel):
    predictions: list[float]


loaded = {}


@asynccontextmanager
async def lifespan(app):
    loaded["late"] = model
    yield
    loaded.clear()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
def health():
    return {"ready": bool(loaded)}


@app.post("/predict")
def predict(body: Body) -> Predictions:
    frame = pd.DataFrame([row.model_dump() for row in body.instances])
    return Predictions(predictions=loaded["late"].predict_proba(frame)[:, 1].tolist())


uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
