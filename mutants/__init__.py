"""Mutants: changes of snapshots, chart, image or application that each break one rule, which must detect it."""

# Imported since they register their mutants and variants.
from mutants import charts_features, charts_values, neutral_commands, neutral_security

__all__ = ["charts_features", "charts_values", "neutral_commands", "neutral_security"]
