-- Punctuality per carrier and day. Sum the counts, then divide; do not average the shares. A mean over
-- several rows weighs each row with its number of flights whose delay is known.
CREATE OR ALTER VIEW reporting.daily_punctuality AS
SELECT
    p.date_key,
    d.full_date AS flight_date,
    d.year_month,
    d.day_name,
    p.airline_key,
    a.airline_name,
    p.flights,
    p.flights - p.cancelled_flights - p.diverted_flights AS arrived_flights,
    p.on_time_flights,
    p.cancelled_flights,
    p.diverted_flights,
    p.on_time_share,
    p.departure_delay_flights,
    p.arrival_delay_flights,
    p.mean_departure_delay_minutes,
    p.mean_arrival_delay_minutes,
    p.median_arrival_delay_minutes,
    p.p90_arrival_delay_minutes
FROM gold.mart_daily_punctuality AS p
INNER JOIN gold.dim_date AS d ON p.date_key = d.date_key
INNER JOIN gold.dim_airline AS a ON p.airline_key = a.airline_key
