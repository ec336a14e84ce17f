"""The quarantine for people: rules in words, the refused value of a row, and what is new since the run before."""
