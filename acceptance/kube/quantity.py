"""Parses Kubernetes quantities: `500m` equals `0.5`, `512Mi` equals `536870912`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from kubernetes.utils.quantity import parse_quantity


def quantity(value: Any) -> Decimal | None:
    """Return the quantity in its base unit (CPUs, bytes), or None if the value is not a quantity."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    try:
        return Decimal(parse_quantity(str(value).strip()))
    except (ValueError, InvalidOperation):
        return None


def resolved(value: Any, replicas: int, *, up: bool) -> int | None:
    """Resolve a count or percentage of replicas as the Deployment controller does; None if the value is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.endswith("%") and value[:-1].isdecimal():
        share = int(value[:-1]) * replicas
        return -(-share // 100) if up else share // 100
    return None
