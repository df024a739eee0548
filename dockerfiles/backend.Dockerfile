# Image of the backend. Build context: app/backend.
#
#   docker build -f dockerfiles/backend.Dockerfile -t todo-backend app/backend
#
# PYTHON_IMAGE: any image with Python >= 3.11. Behind a TLS-inspecting proxy, pass its CA bundle for pip as a secret,
# which is not stored in any layer: --secret id=ca,src=ca-bundle.crt
#
# There is no `syntax` directive: it would pull a Dockerfile frontend from a registry for every build, also where no
# registry is reachable, and the frontend included in BuildKit has all features that are used here.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements.txt .
# Bytecode is compiled at build time, because the root file system is read-only at run time. pip is not needed then.
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m venv /opt/venv \
    && /opt/venv/bin/python3 -m pip install --no-cache-dir --disable-pip-version-check --no-deps \
        --require-hashes --only-binary :all: --compile -r requirements.txt \
    && /opt/venv/bin/python3 -m pip uninstall --yes --quiet pip
COPY todo_backend todo_backend
RUN python3 -m compileall -q --invalidation-mode unchecked-hash todo_backend

FROM ${PYTHON_IMAGE}
# The base image may already have a user with ID 1000.
RUN taken="$(getent passwd 1000 | cut -d: -f1)"; \
    if [ -n "$taken" ]; then userdel "$taken"; fi; \
    if ! getent group 1000 >/dev/null; then groupadd --gid 1000 appuser; fi; \
    useradd --uid 1000 --gid 1000 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin appuser
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --from=build /build/todo_backend todo_backend
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="todo-backend" \
      org.opencontainers.image.description="Todo Chatbot: backend with tasks and a chat agent on PostgreSQL" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 1000:1000
EXPOSE 8000
CMD ["python3", "-m", "todo_backend"]
