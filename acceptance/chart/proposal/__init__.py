"""The parts of `python -m acceptance init`: what a chart is, which of its values set what, and the file it writes."""
