"""The harness of the acceptance suite: small modules, one idea each."""
