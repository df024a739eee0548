"""Mutants: changes of snapshots, chart, image or application that each break one rule, which must detect it."""

from mutants import neutral_security

__all__ = ["neutral_security"]
