# catatonit -P is Debian's static pause: it sleeps and reaps.
ARG DEBIAN_IMAGE
FROM $DEBIAN_IMAGE AS catatonit
RUN apt-get update && apt-get install -y --no-install-recommends catatonit
FROM scratch
COPY --from=catatonit /usr/bin/catatonit /catatonit
ENTRYPOINT ["/catatonit", "-P"]
