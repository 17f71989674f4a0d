# One image for every part; compose.yaml says which command each service runs. The base is pinned by its digest, which is that of all
# platforms: `docker buildx imagetools inspect python:3.12-slim` shows a newer one.
FROM python:3.12.14-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea AS packages

# on: with the packages that an api needs for MCP=on (docs/agents.md); off: without them.
ARG MCP=off
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt /tmp/
COPY requirements-mcp.txt /tmp/
# Wheels only, each with its hash: nothing is compiled, and nothing that is not pinned gets in.
RUN --mount=type=cache,target=/root/.cache/pip \
    case "$MCP" in on) wanted=requirements-mcp.txt ;; off) wanted=requirements.txt ;; *) echo "MCP is on or off" >&2; exit 2 ;; esac \
    && python -m pip --python /opt/venv/bin/python install --disable-pip-version-check --no-input \
    --only-binary :all: --require-hashes -r "/tmp/$wanted"

# The documentation that an api serves. Its tool stays in this stage.
FROM packages AS guide
COPY requirements-guide.txt /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/guide \
    && python -m pip --python /opt/guide/bin/python install --disable-pip-version-check --no-input \
    --only-binary :all: --require-hashes -r /tmp/requirements-guide.txt
WORKDIR /srv
COPY README.md ./
COPY CHANGELOG.md ./
COPY docs docs
COPY scripts/__init__.py scripts/
COPY scripts/guide_site scripts/guide_site
RUN PYTHONPATH=/srv /opt/guide/bin/python -P -m scripts.guide_site --output /srv/guide && chmod -R a+rX /srv/guide

FROM python:3.12.14-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Task Queue Worker API" \
    org.opencontainers.image.description="A multi-tenant task-queue API: accepted means it will finish." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# The number is fixed: files and volumes outside belong to it. A new volume takes this folder's owner and mode.
RUN groupadd --gid 10001 taskqueue \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin taskqueue \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/taskqueue /var/lib/taskqueue-worker \
    /var/lib/taskqueue-admin

COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv
COPY alembic.ini ./
COPY migrations migrations
COPY app app
# What `app.admin clients build` runs: the clients that tenants install from a running api.
COPY LICENSE ./
COPY scripts/__init__.py scripts/
COPY scripts/client_archives.py scripts/
COPY scripts/sdk_python.py scripts/
COPY scripts/sdk_generator scripts/sdk_generator
COPY scripts/sdk_overlay scripts/sdk_overlay
COPY scripts/sdk_typescript scripts/sdk_typescript
COPY --from=guide /srv/guide guide
# Readable also where the checkout was made for its owner alone, and compiled: the running container writes nothing here.
RUN chmod -R a+rX . && /opt/venv/bin/python -m compileall -q app migrations scripts

# hadolint ignore=DL3064  # where the secrets are, not what they are
ENV PATH="/opt/venv/bin:${PATH}" \
    PYTHONPATH=/srv \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GUIDE_FOLDER=/srv/guide \
    SECRETS_FILE=/var/lib/taskqueue/secrets.json

USER 10001:10001
EXPOSE 8000
CMD ["python", "-P", "-m", "uvicorn", "app.main:app", "--host", "0.0.0.0", "--http", "app.http.protocol_limits:GuardedProtocol", "--loop", "uvloop", "--no-proxy-headers", "--no-server-header", "--no-access-log", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10", "--port", "8000"]
