"""KServe's own server with a model class, as its pages write it; a frame in, probabilities out."""

import joblib
import pandas as pd
from kserve import Model, ModelServer


class Late(Model):
    def load(self):
        self.estimator = joblib.load("model.joblib")
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None):
        frame = pd.DataFrame(payload["instances"])
        return {"predictions": self.estimator.predict_proba(frame)[:, 1].tolist()}


model = Late("late_flights")
model.load()
ModelServer().start([model])
