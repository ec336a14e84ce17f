"""Which Spark SQL gives the same answer on Sail and on Apache Spark: the proved list, and the check of gold models.

Gold models are built by Sail on a laptop and by Apache Spark or Databricks in production. ``proof.tsv`` holds every
operation and combination of argument types whose results were compared (``make prove-spark-sql``); ``check_gold_sql``
types the models without an engine and refuses, or rewrites for Sail, what is not proved equal.
"""
