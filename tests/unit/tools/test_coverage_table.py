"""The table of `make coverage`."""

from __future__ import annotations

from tools.coverage_table import coverage_table


def test_each_file_belongs_to_one_package():
    files = {
        "plugins/midnight/names.py": {"summary": {"num_statements": 100, "covered_lines": 90}},
        "plugins/midnight_airflow/run_context.py": {"summary": {"num_statements": 50, "covered_lines": 50}},
        "spark_jobs/silver/run.py": {"summary": {"num_statements": 1900, "covered_lines": 1900}},
    }
    assert coverage_table(files).splitlines()[2:] == [
        "| `plugins/midnight` | 100 | 90 % |",
        "| `plugins/midnight_airflow` | 50 | 100 % |",
        "| `spark_jobs` | 1,900 | 100 % |",
        "| `cli` | 0 | 0 % |",
        "| all | 2,050 | 100 % |",
    ]
