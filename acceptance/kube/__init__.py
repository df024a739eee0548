"""Kubernetes read, not judged: objects, their status and history, logs, and why a pod can't run."""
