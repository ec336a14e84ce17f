"""The bronze contract: batches, their manifests, and what an incremental run reads."""
