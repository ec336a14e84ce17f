"""Who may do what: the access matrix and what is generated from it."""
