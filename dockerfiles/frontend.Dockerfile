# Image of the frontend. Build context: app/frontend.
#
#   docker build -f dockerfiles/frontend.Dockerfile -t todo-frontend app/frontend
#
# NODE_IMAGE: any image with Node.js >= 20.9 and npm. Behind a TLS-inspecting proxy, pass its CA bundle for npm as a
# secret, which is not stored in any layer: --secret id=ca,src=ca-bundle.crt
#
# There is no `syntax` directive: it would pull a Dockerfile frontend from a registry for every build, also where no
# registry is reachable, and the frontend included in BuildKit has all features that are used here.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
ENV NEXT_TELEMETRY_DISABLED=1
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=ca \
    if [ -s /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci --omit=dev --no-audit --no-fund --no-update-notifier
COPY . .
# Everything in one directory, so that it becomes one layer. .next/cache is the mount point of a writable volume.
RUN npm run build \
 && cp -r .next/static .next/standalone/.next/static \
 && cp observe.js drain.js .next/standalone/ \
 && mkdir -p .next/standalone/.next/cache

FROM ${NODE_IMAGE}
# The base image may already have a user with ID 1000 (node).
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
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="todo-frontend" \
      org.opencontainers.image.description="Todo Chatbot: frontend with Next.js and Better Auth" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 1000:1000
EXPOSE 3000
CMD ["node", "--require", "./observe.js", "--require", "./drain.js", "server.js"]
