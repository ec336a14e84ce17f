-- The carriers, as a dimension of a semantic model: who reads the report's data needs the views of reporting alone.
CREATE OR ALTER VIEW reporting.airline AS
SELECT
    a.airline_key,
    a.airline_name
FROM gold.dim_airline AS a
