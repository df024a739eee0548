"""metrics-server, from which an HPA learns what pods use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from acceptance.core.rules import ROOT
from acceptance.provision.cluster import Cluster

MANIFEST = ROOT / "support" / "metrics-server.yaml"


def install(cluster: Cluster) -> None:
    """Install metrics-server with the image that the toolchain found, pulled or built. Raises `CommandError`."""
    text = MANIFEST.read_text(encoding="utf-8")
    objects: Sequence[dict[str, Any]] = [item for item in yaml.safe_load_all(text) if item]
    for item in objects:
        if item["kind"] == "Deployment":
            item["spec"]["template"]["spec"]["containers"][0]["image"] = cluster.toolchain.metrics_server_image
    cluster.apply_manifest(yaml.safe_dump_all(objects))
