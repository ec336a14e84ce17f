"""Compare Sail with Apache Spark operation by operation: ``make prove-spark-sql`` writes the proved list."""
