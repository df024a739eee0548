"""Generated mutants: every field of every object, and every constraint of the chart's schema and validation, changed."""
