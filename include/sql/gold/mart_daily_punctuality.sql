-- Punctuality per carrier and day. Delays are those of flights that arrived.
SELECT
    date_key,
    airline_key,
    count(*) AS flights,
    count_if(is_cancelled) AS cancelled_flights,
    count_if(is_diverted) AS diverted_flights,
    count_if(is_on_time) AS on_time_flights,
    -- Of all flights in the timetable: a cancelled flight is not on time. A carrier cannot improve by cancelling.
    CAST(count_if(is_on_time) AS DOUBLE) / count(*) AS on_time_share,
    -- The weights of the means: flights whose delay is known.
    count(departure_delay_minutes) AS departure_delay_flights,
    count(arrival_delay_minutes) AS arrival_delay_flights,
    avg(departure_delay_minutes) AS mean_departure_delay_minutes,
    avg(arrival_delay_minutes) AS mean_arrival_delay_minutes,
    median(arrival_delay_minutes) AS median_arrival_delay_minutes,
    percentile(arrival_delay_minutes, 0.9) AS p90_arrival_delay_minutes
FROM gold.fact_flight
GROUP BY date_key, airline_key
