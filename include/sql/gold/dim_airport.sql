-- One row per airport. The key is the FAA code, which never changes: a corrected name applies to all flights.
SELECT
    faa AS airport_key,
    name AS airport_name,
    lat AS latitude,
    lon AS longitude,
    alt AS altitude_feet,
    tz AS utc_offset_hours,
    CASE dst WHEN 'A' THEN 'United States' WHEN 'N' THEN 'None' ELSE 'Unknown' END AS daylight_saving,
    tzone AS time_zone
FROM silver.airports
UNION ALL
-- The unknown member: flights to an airport that is in no register reference it, so that a join does not drop them.
SELECT 'UNKNOWN', 'Unknown airport', NULL, NULL, NULL, NULL, 'Unknown', NULL
