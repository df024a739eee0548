"""The library of the acceptance suite: packages of small modules, one idea each."""
