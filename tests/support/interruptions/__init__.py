"""Seeded faults over modes and stages: after the next successful run silver equals the source.

`make prove-interruptions` runs 300; ``tests/integration/spark/test_interruptions.py`` a sample.
"""
