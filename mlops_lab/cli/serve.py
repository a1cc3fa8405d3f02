"""The command `serve`: a version answers over the network."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.catalogue import SETTINGS
from mlops_lab.cli.options import HOME, as_home, model_of, split_subject, subject
from mlops_lab.pipeline.engines import has_registry

_SAGEMAKER = Path("/opt/ml/model")


@click.command(context_settings=SETTINGS)
@subject
@click.option("--host", envvar="MLOPS_LAB_HOST", default="127.0.0.1", show_default=True, help="The address.")
@click.option(
    "--port", type=click.IntRange(0, 65535), show_default="AIP_HTTP_PORT, else 8080", help="The port; 0: any."
)
@click.option(
    "--features-at",
    default="materialized",
    show_default=True,
    metavar="WHEN",
    help="What a feature's age is counted from: materialized, now, or a moment.",
)
@click.option(
    "--features-max-age",
    default=72.0,
    show_default=True,
    type=click.FloatRange(0),
    metavar="HOURS",
    help="Refuse keys (503) when the online store was filled longer ago than that; 0: never.",
)
@click.option(
    "--max-body", "body_bytes", default=1_500_000, show_default=True, type=click.IntRange(1), help="Bytes of one body."
)
@click.option("--max-rows", default=1000, show_default=True, type=click.IntRange(1), help="Rows of one request.")
@click.option("--body-seconds", default=10.0, show_default=True, type=click.FloatRange(0.1), help="Time to send one.")
@click.option("--connections", default=512, show_default=True, type=click.IntRange(1), help="Requests at once.")
@click.option(
    "--drain",
    "drain_seconds",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds from SIGTERM on.",
)
@click.option("--archived", is_flag=True, help="Serve a version even when it is archived.")
@click.option("--quiet", "-q", is_flag=True, help="No line for each request.")
@click.option("--with-parent", is_flag=True, hidden=True, help="Stop when standard input ends.")
@click.option(
    "--home",
    envvar="MLOPS_LAB_HOME",
    metavar="DIR",
    show_default="$MLOPS_LAB_HOME, AIP_STORAGE_URI, /opt/ml/model, else .mlops_lab here",
    help="The folder that keeps everything.",
)
def serve(
    subject: tuple[str, ...],
    host: str,
    port: int | None,
    features_at: str,
    features_max_age: float,
    max_rows: int,
    archived: bool,
    quiet: bool,
    with_parent: bool,
    home: str | None,
    **limits: Any,
) -> int:
    r"""Serve a version: the champion, when none is named.

    The model is verified before it is loaded. A request holds the features of each row, or its keys: then they are
    read from the online store. Only this machine can reach it, unless --host says otherwise. One line of JSON for
    each request goes to standard error. SIGTERM or Ctrl-C stops it when what has begun is finished.

    \b
    Examples:
      mlops-lab serve
      mlops-lab serve 3 --port 9000
      curl -s localhost:8080/ping
      curl -s localhost:8080/invocations -H 'content-type: application/json' -d '{"KEY": "VALUE", "FEATURE": 1.5}'

    \b
    It speaks SageMaker (/ping, /invocations), Vertex AI (AIP_* variables), KServe (/v2, /v1) and Prometheus (/metrics),
    and OpenTelemetry: pip install 'fastapi[opentelemetry]', then FASTAPI_OTEL_AUTO_CONFIGURE=true and OTEL_* as usual.
    """
    from mlops_lab.delivery.server import AccessLog, Limits, contract_of, load_predictor
    from mlops_lab.delivery.server import serve as run_server

    contract = contract_of(os.environ)
    folder = as_home(home) if home is not None else contract.home or _usual_home()
    if not folder.exists():
        raise InvalidData(f"there is no home folder {folder} yet; make one with: mlops-lab run --home {folder}")
    name, text = split_subject(subject, model_of(folder))
    version: int | str = text or "champion"
    if text and text.lower().removeprefix("v").isdigit():
        version = int(text.lower().removeprefix("v"))
    predictor = partial(
        load_predictor, folder, name, version=version, features_at=features_at, archived=archived, max_rows=max_rows,
        features_max_age=timedelta(hours=features_max_age) if features_max_age else None,
    )  # fmt: skip
    run_server(
        predictor, name, host=host, port=contract.port if port is None else port, contract=contract,
        limits=Limits(rows=max_rows, **limits), log=AccessLog(quiet=quiet), with_parent=with_parent,
    )  # fmt: skip
    return 0


def _usual_home() -> Path:
    return _SAGEMAKER if has_registry(_SAGEMAKER) else Path(HOME)
