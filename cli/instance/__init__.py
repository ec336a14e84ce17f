"""The folder, ports, processes and connections of one local instance."""
