"""The lake as files: paths, reading and writing, the ledger, the protocol of Delta tables."""
