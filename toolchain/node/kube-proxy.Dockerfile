# kube-proxy needs iptables and conntrack beside it.
ARG ROOTFS
FROM $ROOTFS
COPY kube-proxy /usr/local/bin/
