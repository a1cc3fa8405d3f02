"""MLServer with a model class of its own, whose scikit-learn runtime is another package: frame in, numbers out."""

import joblib
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceResponse


class Late(MLModel):
    async def load(self):
        self.estimator = joblib.load("model.joblib")
        return True

    async def predict(self, payload):
        frame = self.decode_request(payload, default_codec=PandasCodec)
        numbers = [one.name for one in payload.inputs if one.datatype != "BYTES"]
        frame[numbers] = frame[numbers].astype("float64")
        found = self.estimator.predict_proba(frame)[:, 1]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", found)])
