"""Readers that fill a Snapshot: from a live release, a built image, or a container that runs alone."""
