"""The configuration that a user writes: its models, its files, and what they say about each other."""
