"""Commands besides testing: `python -m acceptance init|bench|clean`."""
