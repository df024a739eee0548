# docker build -f dockerfiles/frontend.Dockerfile [--build-arg NODE_IMAGE=…] [--secret id=ca,src=ca-bundle.crt] app/frontend
# NODE_IMAGE: any image with Node.js >= 20.9 and npm. The secret `ca` is a company's certificate bundle, for npm.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
ENV NEXT_TELEMETRY_DISABLED=1
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci --no-audit --no-fund --no-update-notifier
COPY . .
# One directory, so that the runtime stage is one layer; .next/cache is the mount point of a writable volume.
RUN npm run build \
 && cp -r .next/static .next/standalone/.next/static \
 && cp observe.js drain.js .next/standalone/ \
 && mkdir -p .next/standalone/.next/cache

FROM ${NODE_IMAGE}
# The base image may have a user 1000 of its own (node).
RUN sed -i '/^[^:]*:[^:]*:1000:/d' /etc/passwd /etc/group \
 && echo 'appuser:x:1000:1000::/app:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'appuser:x:1000:' >> /etc/group
WORKDIR /app
COPY --from=build /build/.next/standalone ./
ENV NODE_ENV=production \
    NEXT_TELEMETRY_DISABLED=1 \
    NEXT_MANUAL_SIG_HANDLE=true \
    KEEP_ALIVE_TIMEOUT=75000 \
    HOSTNAME=0.0.0.0 \
    PORT=3000
USER 1000:1000
EXPOSE 3000
CMD ["node", "--require", "./observe.js", "--require", "./drain.js", "server.js"]
