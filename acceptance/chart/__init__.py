"""A chart without a cluster: rendering it, bounds of its values, what of it is unused, and a proposed target."""
