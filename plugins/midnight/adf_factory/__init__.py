"""The Data Factory as code: what ``include/adf/`` holds, and how it gets into a factory."""
