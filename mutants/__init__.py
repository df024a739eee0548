"""Mutants: changes of snapshots, chart, image or application that each break one rule, which must detect it."""
