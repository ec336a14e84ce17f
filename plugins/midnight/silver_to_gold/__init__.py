"""Gold models: their files, the checks of their SQL, and their builds."""
