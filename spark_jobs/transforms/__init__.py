"""Pure functions, DataFrame to DataFrame: no session, no path, no action; the same on every engine."""
