-- Carriers by month: volume, punctuality, cancellations.
CREATE OR ALTER VIEW reporting.carrier_month AS
SELECT
    p.year_month,
    p.airline_key,
    p.airline_name,
    SUM(p.flights) AS flights,
    SUM(p.on_time_flights) AS on_time_flights,
    SUM(p.cancelled_flights) AS cancelled_flights,
    SUM(p.diverted_flights) AS diverted_flights,
    CAST(SUM(p.on_time_flights) AS FLOAT) / NULLIF(SUM(p.flights), 0) AS on_time_share,
    CAST(SUM(p.cancelled_flights) AS FLOAT) / NULLIF(SUM(p.flights), 0) AS cancelled_share,
    -- Each day is weighted with its number of flights whose delay is known.
    SUM(p.mean_arrival_delay_minutes * p.arrival_delay_flights)
    / NULLIF(SUM(p.arrival_delay_flights), 0) AS mean_arrival_delay_minutes
FROM reporting.daily_punctuality AS p
GROUP BY p.year_month, p.airline_key, p.airline_name
