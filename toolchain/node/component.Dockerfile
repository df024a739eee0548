# A control-plane image: one static binary. kubeadm's manifests call it by name.
FROM scratch
ARG SOURCE
ARG NAME
COPY $SOURCE /usr/local/bin/$NAME
ENV PATH=/usr/local/bin
