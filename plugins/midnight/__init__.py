"""The pure logic of Midnight: imports neither Airflow nor Spark. The wheel for Databricks contains a part of it."""
