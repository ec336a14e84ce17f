-- One row per carrier, and the unknown member.
SELECT
    carrier AS airline_key,
    name AS airline_name
FROM silver.airlines
UNION ALL
SELECT 'UNKNOWN', 'Unknown airline'
