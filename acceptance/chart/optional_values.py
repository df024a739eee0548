"""Legal values for what most charts leave empty, by the name that most give it: the last part of a value's path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANNOTATIONS = {"example.com/enabled": "true"}
LABELS = {"example.com/number": "1"}
"""YAML takes both texts for something else where a template forgets to quote them."""
VARIABLE = {"name": "ACCEPTANCE", "value": "1"}
OPTIONAL_VALUES: Mapping[str, Any] = {
    "digest": f"sha256:{'0123456789abcdef' * 4}",
    "annotations": ANNOTATIONS,
    "podAnnotations": ANNOTATIONS,
    "commonAnnotations": ANNOTATIONS,
    "podLabels": LABELS,
    "commonLabels": LABELS,
    "nodeSelector": {"example.com/enabled": "true"},
    "tolerations": [{"key": "example.com/enabled", "operator": "Equal", "value": "true", "effect": "NoSchedule"}],
    "extraEnv": [VARIABLE],
    "extraEnvVars": [VARIABLE],
    "extraVolumes": [{"name": "acceptance", "emptyDir": {"sizeLimit": "1Mi"}}],
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["acceptance.example.com"]}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
}
