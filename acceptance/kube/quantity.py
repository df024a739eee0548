"""Parses Kubernetes quantities: `500m` equals `0.5`, `512Mi` equals `536870912`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any


def quantity(value: Any) -> Decimal | None:
    """Return the quantity in its base unit (CPUs, bytes), or None if the value is not a quantity."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    from kubernetes.utils.quantity import parse_quantity  # here, since it loads the client too

    try:
        return Decimal(parse_quantity(str(value).strip()))
    except (ValueError, InvalidOperation):
        return None


MIN_MEMORY = 4 * 1024**2
"""Below this no container starts, since the runtime itself needs as much."""
MAX_AMOUNTS = {"cpu": Decimal(128), "memory": Decimal(1024**4)}
"""An amount above this has a wrong unit, such as `500` or `500Mi` of CPU for `500m`."""


def implausible(resource: str, amount: Decimal) -> str | None:
    """Return in words why a container can't have this amount of CPU or memory, or None."""
    unit = "bytes" if resource == "memory" else "CPUs"
    if resource == "memory" and amount < MIN_MEMORY:
        return f"{amount.normalize():f} {unit}: too little for any process"
    if resource in MAX_AMOUNTS and amount > MAX_AMOUNTS[resource]:
        return f"{amount.normalize():f} {unit}: more than any node has"
    return None


def resolved(value: Any, replicas: int, *, up: bool) -> int | None:
    """Resolve a count or percentage of replicas as the Deployment controller does; None if the value is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdecimal():
        share = int(value[:-1]) * replicas
        return -(-share // 100) if up else share // 100
    return None
