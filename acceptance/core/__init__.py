"""Base modules without Kubernetes state: targets, rules, waits, deadlines, values, redaction."""
