"""The Spark jobs: the entry points ``bronze_to_silver`` and ``silver_to_gold``, and the packages that they call."""
