"""Reconciliation inside the Spark jobs: what they computed, what they wrote, and what is read back."""
