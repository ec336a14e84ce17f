-- The carriers, as a dimension of a semantic model: report readers have permissions on the schema reporting only.
CREATE OR ALTER VIEW reporting.airline AS
SELECT
    a.airline_key,
    a.airline_name
FROM gold.dim_airline AS a
