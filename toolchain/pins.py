"""Every version, in one place.

What Go builds is pinned and verified by `go/go.sum` and `containerd/go.sum`; uv by hash in the Makefile; Python
packages by `uv.lock`. Images that are pulled by tag are not verified; their digests are in the report.
"""

from __future__ import annotations

KUBERNETES = "v1.37.2"
KIND = "v0.33.0"
HELM = "v4.3.1"
CONTAINERD = "v2.3.7"
METRICS_SERVER = "v0.9.0"
PAUSE = "3.10"

NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
"""The default of kind's own release, by digest: `pkg/apis/config/defaults/image.go`."""

METRICS_SERVER_IMAGE = f"registry.k8s.io/metrics-server/metrics-server:{METRICS_SERVER}"
PAUSE_IMAGE = f"registry.k8s.io/pause:{PAUSE}"

PYTHON_IMAGE = "python:3.13-slim"
NODEJS_IMAGE = "node:24-slim"
DEBIAN_IMAGE = "debian:trixie-slim"

NODE_SUITE = "bookworm"
"""Debian's suite under the node image: its systemd still boots on cgroup v1, newer ones refuse."""
BASE_SUITE = "trixie"
"""Debian's suite under the local replacements of the base images: it carries Python 3.13."""
