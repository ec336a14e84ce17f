"""The connection to Synapse serverless SQL, and hints for its errors."""
