"""The summary of a run: what people look at the next morning, as one small document in the lake."""
