# The model server: code and, in HOME_DIR, the promoted home folder, so that a version of both is one digest.
#   podman build --build-arg HOME_DIR=.mlops_lab --tag late-flights:v1 .
# It honours the contracts of SageMaker (train, serve, /opt/ml), Vertex AI (AIP_*) and KServe (/mnt/models): see deploy/.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/mlops-lab
# The course's notebooks need ten times as much as the server: only what a run and an answer need comes in.
# KFP runs its tasks through itself, so the image of Vertex AI's pipeline needs it inside, at versions that agree:
#   --build-arg PACKAGES=kfp --build-arg CONSTRAINTS=constraints/cloud.txt
ARG CONSTRAINTS=constraints.txt
ARG PACKAGES=""
COPY ${CONSTRAINTS} ./pinned.txt
COPY deploy/requirements.txt ./
# hadolint ignore=SC2086
RUN /opt/mlops-lab/bin/python -m pip install --requirement requirements.txt ${PACKAGES} --constraint pinned.txt
COPY pyproject.toml README.md LICENSE ./
COPY mlops_lab ./mlops_lab
RUN /opt/mlops-lab/bin/python -m pip install --no-deps .

FROM ${BASE} AS server
ARG HOME_DIR=deploy/empty-home
LABEL org.opencontainers.image.title="late-flights" \
      org.opencontainers.image.description="The model server of MLOps Lab" \
      org.opencontainers.image.licenses="MIT"
# A number, so that Kubernetes can see without a look into the image that it is not root.
RUN groupadd --gid 10001 server \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin server \
 && mkdir --parents /var/lib/mlops-lab /opt/ml \
 && chown server:server /var/lib/mlops-lab /opt/ml
COPY --from=build /opt/mlops-lab /opt/mlops-lab
COPY --chmod=0755 deploy/train deploy/serve /usr/local/bin/
# The store keeps its files to their owner; the server has to read them.
COPY --chown=10001:10001 ${HOME_DIR} /opt/mlops-lab/home
ENV PATH=/opt/mlops-lab/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    MLOPS_LAB_HOME=/var/lib/mlops-lab/home
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# No entry point: SageMaker calls `train` or `serve`, Kubernetes names its argument, everybody else may call python.
CMD ["serve"]
