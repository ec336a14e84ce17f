-- Routes with the names and places of both airports, for tables and maps.
CREATE OR ALTER VIEW reporting.route_performance AS
SELECT
    CONCAT(r.origin_airport_key, '-', r.destination_code) AS route,
    r.origin_airport_key AS origin_code,
    o.airport_name AS origin_name,
    r.destination_code,
    t.airport_name AS destination_name,
    t.latitude AS destination_latitude,
    t.longitude AS destination_longitude,
    r.distance_miles,
    r.airlines,
    r.flights,
    r.on_time_flights,
    r.cancelled_flights,
    r.on_time_share,
    r.cancelled_share,
    r.mean_air_time_minutes,
    r.mean_arrival_delay_minutes,
    r.median_arrival_delay_minutes,
    r.p90_arrival_delay_minutes,
    first_day.full_date AS first_flight_date,
    last_day.full_date AS last_flight_date
FROM gold.mart_route AS r
INNER JOIN gold.dim_airport AS o ON r.origin_airport_key = o.airport_key
INNER JOIN gold.dim_airport AS t ON r.destination_airport_key = t.airport_key
INNER JOIN gold.dim_date AS first_day ON r.first_date_key = first_day.date_key
INNER JOIN gold.dim_date AS last_day ON r.last_date_key = last_day.date_key
