"""The command line, `python -m acceptance COMMAND`: targets, reports, shards, measurements and cleaning up."""
