"""The runtime of both jobs: the session, the job's arguments and exit, Delta tables, the masking key."""
