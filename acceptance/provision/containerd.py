"""containerd's client on a node, and the names that it has for images."""

from __future__ import annotations

CTR = ("ctr", "--namespace", "k8s.io")
"""The client, in Kubernetes' namespace of containerd."""


def list_images(reference: str, *flags: str) -> tuple[str, ...]:
    """Return the command that lists the images of a reference."""
    return (*CTR, "images", "ls", *flags, f"name=={full_reference(reference)}")


def full_reference(reference: str) -> str:
    """Return an image's reference with its registry, as containerd lists it."""
    first = reference.split("/")[0]
    if "/" in reference and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if "/" in reference else f"docker.io/library/{reference}"
