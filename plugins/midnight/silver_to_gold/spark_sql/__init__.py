"""Spark SQL with equal results on Sail and Apache Spark: the proved list, and the check of gold models.

Gold models are built by Sail on a laptop and by Apache Spark or Databricks in production. ``proof.tsv`` holds every
operation and combination of argument types whose results were compared (``make prove-spark-sql``); ``check_gold_sql``
infers the types of the models without an engine and refuses, or rewrites for Sail, what is not proved equal.
"""
