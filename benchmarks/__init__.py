"""Benchmarks, each a ratio to a reference of the same run: `make bench`."""
