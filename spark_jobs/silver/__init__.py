"""Bronze to silver: applies sealed batches, writes silver, the quarantine and the ledger. Starts in ``run``."""
