"""Pure logic of Midnight: imports neither Airflow nor Spark, and is part of the wheel that Databricks runs."""
