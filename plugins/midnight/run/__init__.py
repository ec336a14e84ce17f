"""The plan of one run, and the document that its tasks share."""
