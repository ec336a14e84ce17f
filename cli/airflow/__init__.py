"""Airflow's services of the local instance."""
