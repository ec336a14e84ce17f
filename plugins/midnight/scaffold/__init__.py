"""``make init``: reads the catalogue of a PostgreSQL database and writes the configuration for it."""
