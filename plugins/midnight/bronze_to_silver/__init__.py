"""What the run decides before the silver job starts."""
