# Stands in for python:3.13-slim where no image can be pulled.
ARG DEBIAN_IMAGE
FROM $DEBIAN_IMAGE
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip-whl python3-venv \
    && ln -s python3 /usr/bin/python && rm -rf /var/lib/apt/lists/*
