-- One row per aircraft of the register, and the unknown member, which the flights of one aircraft in six reference.
SELECT
    tailnum AS aircraft_key,
    year AS year_built,
    type AS aircraft_type,
    -- The register has several spellings of two manufacturers; a report needs one for each.
    CASE
        WHEN manufacturer LIKE 'AIRBUS%' THEN 'AIRBUS'
        WHEN manufacturer LIKE 'MCDONNELL DOUGLAS%' THEN 'MCDONNELL DOUGLAS'
        ELSE manufacturer
    END AS manufacturer,
    model,
    engines AS engine_count,
    engine AS engine_type,
    seats,
    CASE
        WHEN seats < 20 THEN 'Small (below 20 seats)'
        WHEN seats < 100 THEN 'Regional (20 to 99 seats)'
        WHEN seats < 250 THEN 'Narrow (100 to 249 seats)'
        ELSE 'Large (250 seats and more)'
    END AS size_class
FROM silver.planes
UNION ALL
SELECT 'UNKNOWN', NULL, 'Unknown', 'Unknown', 'Unknown', NULL, 'Unknown', NULL, 'Unknown'
