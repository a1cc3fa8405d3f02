"""Load what a server loads, so that Python keeps it compiled: the image itself cannot be written to."""

import importlib

LOADED = ("mlops_lab.cli.container", "mlops_lab.delivery.server.app", "mlops_lab.delivery.server.process",
          "mlops_lab.delivery.server.protocol", "mlops_lab.delivery.server.scorer", "mlops_lab.models.drift",
          "skops.io", "sklearn.compose", "sklearn.ensemble", "sklearn.impute", "sklearn.linear_model",
          "uvicorn.protocols.http.httptools_impl", "prometheus_client", "urllib.request")  # fmt: skip

for name in LOADED:
    importlib.import_module(name)
