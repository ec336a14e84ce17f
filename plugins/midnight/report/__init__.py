"""The local report: one self-contained HTML page. In Azure, Power BI takes its place."""
