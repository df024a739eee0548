"""Disturbances of a running release: faults, rollouts, and the runner that restores the baseline after each."""
