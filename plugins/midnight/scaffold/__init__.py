"""``make init``: looks into a PostgreSQL database and writes the configuration for it."""
