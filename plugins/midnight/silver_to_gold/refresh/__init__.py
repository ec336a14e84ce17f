"""How a gold model is refreshed when its inputs changed: only the rows of the affected keys, or the whole model."""
