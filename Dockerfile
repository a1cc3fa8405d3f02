# The model server: code and, in HOME_DIR, the promoted home folder, so that a version of both is one digest.
#   podman build --build-arg HOME_DIR=.mlops_lab --tag late-flights:v1 .
# A cloud's pipeline, whose steps also read and train, runs a larger one, with Arrow and the base's own tools inside:
#   podman build --target pipeline --tag late-flights-pipeline:v1 .
# It honours the contracts of SageMaker (train, serve, /opt/ml), Vertex AI (AIP_*) and KServe (/mnt/models): see deploy/.
# By its digest (3.11.16), which Dependabot moves; the tag says to whom reads what it is.
ARG BASE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Without a pip of its own: what runs in production installs nothing. The course's notebooks need ten times as much as the
# server: only what an answer needs comes in, each file by its hash.
COPY deploy/requirements.lock ./
RUN python3 -m venv --without-pip /opt/mlops-lab \
 && python3 -m pip --python /opt/mlops-lab/bin/python install --no-compile --require-hashes \
    --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY mlops_lab ./mlops_lab
# The libraries' own tests, headers and what only a notebook shows stay out; numpy.testing reads one of its tests' files.
# Compiled is what a server loads: all of it would be a quarter of the image.
COPY deploy/sbom.py deploy/warm.py ./
RUN python3 -m pip --python /opt/mlops-lab/bin/python install --no-compile --no-deps . \
 && find /opt/mlops-lab -type d -name tests -not -path "*/numpy/_core/*" -prune -exec rm -rf {} + \
 && find /opt/mlops-lab \( -name "*.pyx" -o -name "*.pxd" -o -name "*.pxi" \) -delete \
 && find /opt/mlops-lab -path "*/mlops_lab/teaching/*" -type d \
      \( -name panels -o -name classroom -o -name checks \) -prune -exec rm -rf {} + \
 && /opt/mlops-lab/bin/python warm.py \
 && /opt/mlops-lab/bin/python sbom.py > /opt/mlops-lab/sbom.cdx.json
# A number, so that Kubernetes can see without a look into the image that it is not root.
RUN groupadd --gid 10001 server \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin server

FROM build AS system
COPY deploy/system.py ./
COPY --chmod=0755 deploy/train deploy/serve /system/usr/local/bin/
RUN python3 system.py /system /opt/mlops-lab \
 && install --directory --owner=10001 --group=10001 /system/var/lib/mlops-lab /system/opt/ml

# A pipeline's steps read Parquet. KFP runs its tasks through itself, so Vertex AI's needs it inside, at versions that agree:
#   --build-arg PACKAGES=kfp --build-arg CONSTRAINTS=constraints/cloud.txt
FROM build AS training
ARG CONSTRAINTS=constraints.txt
ARG PACKAGES=""
COPY ${CONSTRAINTS} ./pinned.txt
COPY deploy/pipeline.txt deploy/pipeline.lock ./
# hadolint ignore=SC2086
RUN if [ -z "${PACKAGES}" ]; \
    then python3 -m pip --python /opt/mlops-lab/bin/python install --require-hashes --requirement pipeline.lock; \
    else python3 -m pip --python /opt/mlops-lab/bin/python install --requirement pipeline.txt ${PACKAGES} \
      --constraint pinned.txt; \
    fi \
 && find /opt/mlops-lab -path "*/pyarrow/*" -type d \( -name include -o -name includes -o -name src -o -name tests \) \
      -prune -exec rm -rf {} + \
 && /opt/mlops-lab/bin/python sbom.py > /opt/mlops-lab/sbom.cdx.json

FROM scratch AS told
# What is inside: --build-arg REVISION=$(git rev-parse HEAD) --build-arg MODEL=late_flights:v3
ARG REVISION=""
ARG MODEL=""
LABEL org.opencontainers.image.title="late-flights" \
      org.opencontainers.image.revision="${REVISION}" \
      io.mlops-lab.model="${MODEL}" \
      io.mlops-lab.sbom="/opt/mlops-lab/sbom.cdx.json" \
      org.opencontainers.image.description="The model server of MLOps Lab" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/opt/mlops-lab/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    MLOPS_LAB_HOME=/var/lib/mlops-lab/home
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
  "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"AIP_HTTP_PORT\", 8080)}/v2/health/live', timeout=4)"]
# No entry point: SageMaker calls `train` or `serve`, Kubernetes names its argument, everybody else may call python.
CMD ["serve"]

# The store keeps its files to their owner; the server has to read them.
FROM told AS pipeline
ARG HOME_DIR=deploy/empty-home
COPY --from=system /system /
COPY --from=training /usr /usr
COPY --from=training /opt/mlops-lab /opt/mlops-lab
COPY --chown=10001:10001 ${HOME_DIR} /opt/mlops-lab/home

FROM told AS server
ARG HOME_DIR=deploy/empty-home
COPY --from=system /system /
COPY --from=build /opt/mlops-lab /opt/mlops-lab
COPY --chown=10001:10001 ${HOME_DIR} /opt/mlops-lab/home
