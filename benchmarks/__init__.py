"""What is measured, each as a ratio or beside a reference in the same run: `make bench`."""
