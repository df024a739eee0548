"""What everything may import: targets, rules, waits, deadlines, values, redaction; nothing of Kubernetes' state."""
