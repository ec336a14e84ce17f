"""Where each column comes from, and what depends on it, from the source to the visuals of the report."""
