"""What Databricks is sent: the payload of a job run and the name of the wheel."""
