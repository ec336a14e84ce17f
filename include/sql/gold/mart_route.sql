-- One row per route. A route is an airport of departure and the code of a destination, so that destinations that are
-- in no register remain separate routes.
SELECT
    origin_airport_key,
    destination_code,
    min(destination_airport_key) AS destination_airport_key,
    count(*) AS flights,
    count(DISTINCT airline_key) AS airlines,
    count_if(is_cancelled) AS cancelled_flights,
    CAST(count_if(is_cancelled) AS DOUBLE) / count(*) AS cancelled_share,
    count_if(is_on_time) AS on_time_flights,
    CAST(count_if(is_on_time) AS DOUBLE) / count(*) AS on_time_share,
    min(distance_miles) AS distance_miles,
    avg(air_time_minutes) AS mean_air_time_minutes,
    avg(arrival_delay_minutes) AS mean_arrival_delay_minutes,
    median(arrival_delay_minutes) AS median_arrival_delay_minutes,
    percentile(arrival_delay_minutes, 0.9) AS p90_arrival_delay_minutes,
    min(date_key) AS first_date_key,
    max(date_key) AS last_date_key
FROM gold.fact_flight
GROUP BY origin_airport_key, destination_code
