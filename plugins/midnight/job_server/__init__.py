"""A process of the local instance that has imported the Spark jobs, and forks a child for each (docs/adr/0033)."""
