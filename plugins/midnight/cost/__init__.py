"""What a run costs: counted facts times the prices of a file."""
