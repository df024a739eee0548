# The backend's image. Context: app/backend.
#
#   docker build -f dockerfiles/backend.Dockerfile -t todo-backend app/backend
#
# A company's CA for the package index, which leaves no trace in a layer: --secret id=ca,src=ca-bundle.crt
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements.txt .
# Compiled here, since the root is read-only when it runs. pip itself stays behind.
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m venv /opt/venv \
    && /opt/venv/bin/python3 -m pip install --no-cache-dir --disable-pip-version-check --no-deps \
        --require-hashes --only-binary :all: --compile -r requirements.txt \
    && /opt/venv/bin/python3 -m pip uninstall --yes --quiet pip
COPY todo_backend todo_backend
RUN python3 -m compileall -q --invalidation-mode unchecked-hash todo_backend

FROM ${PYTHON_IMAGE}
# Some bases have a user 1000 of their own already.
RUN taken="$(getent passwd 1000 | cut -d: -f1)"; \
    if [ -n "$taken" ]; then userdel "$taken"; fi; \
    if ! getent group 1000 >/dev/null; then groupadd --gid 1000 appuser; fi; \
    useradd --uid 1000 --gid 1000 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin appuser
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --from=build /build/todo_backend todo_backend
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
EXPOSE 8000
CMD ["python3", "-m", "todo_backend"]
