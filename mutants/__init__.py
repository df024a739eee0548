"""Mutants: changes of snapshots, chart, image or application that each break one rule, which must detect it."""

from mutants import charts_values, neutral_commands, neutral_security

__all__ = ["charts_values", "neutral_commands", "neutral_security"]
