"""The static check of all files that a run depends on; it needs no service and no data, and reports all problems."""
