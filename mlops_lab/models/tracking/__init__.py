"""What was tried, and with what result? Runs, and the bytes they made.

A `Tracker` logs each run once, for good; an `ArtifactStore` keeps models and other bytes under the fingerprint of
their content. The words are MLflow's (run, params, metrics, tags, artifact); a run here is written in one piece when
it has ended, where MLflow fills a run in while it is open.
"""

from __future__ import annotations

from mlops_lab.models.tracking.artifacts import TRUSTED_TYPES as TRUSTED_TYPES
from mlops_lab.models.tracking.artifacts import ArtifactStore as ArtifactStore
from mlops_lab.models.tracking.runs import Run as Run
from mlops_lab.models.tracking.runs import Tracker as Tracker
