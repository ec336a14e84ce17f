-- How delays build up over the day: by airport and scheduled hour of departure.
CREATE OR ALTER VIEW reporting.departure_hour AS
SELECT
    f.origin_code,
    f.origin_name,
    f.scheduled_departure_hour,
    COUNT_BIG(*) AS flights,
    SUM(CASE WHEN f.status = 'Cancelled' THEN 1 ELSE 0 END) AS cancelled_flights,
    CAST(SUM(CASE WHEN f.outcome = 'On time' THEN 1 ELSE 0 END) AS FLOAT) / NULLIF(COUNT_BIG(*), 0) AS on_time_share,
    AVG(CAST(f.departure_delay_minutes AS FLOAT)) AS mean_departure_delay_minutes
FROM reporting.flight AS f
GROUP BY f.origin_code, f.origin_name, f.scheduled_departure_hour
