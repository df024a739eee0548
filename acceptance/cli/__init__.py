"""Commands beside testing: `python -m acceptance init|bench|clean`."""
