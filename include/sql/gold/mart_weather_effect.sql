-- Effect of the weather at the airport of departure on departures. One row per factor and band.
-- Every flight counts once per factor; flights in an hour without an observation have their own band.
WITH observed AS (
    SELECT
        flight.is_cancelled,
        flight.departure_delay_minutes,
        weather.wind_speed,
        weather.visib AS visibility,
        weather.precip AS precipitation
    FROM gold.fact_flight AS flight
    -- (origin, time_hour) is the key of silver.weather: the join cannot duplicate a flight.
    LEFT JOIN silver.weather AS weather
        ON weather.origin = flight.origin_airport_key
        AND weather.time_hour = date_trunc('HOUR', flight.scheduled_departure_at)
),
banded AS (
    SELECT
        'Wind' AS factor,
        CASE
            WHEN wind_speed IS NULL THEN 9
            WHEN wind_speed < 5 THEN 1
            WHEN wind_speed < 15 THEN 2
            WHEN wind_speed < 25 THEN 3
            ELSE 4
        END AS band_number,
        CASE
            WHEN wind_speed IS NULL THEN 'No observation'
            WHEN wind_speed < 5 THEN 'Below 5 mph'
            WHEN wind_speed < 15 THEN '5 to 15 mph'
            WHEN wind_speed < 25 THEN '15 to 25 mph'
            ELSE '25 mph and more'
        END AS band,
        is_cancelled,
        departure_delay_minutes
    FROM observed
    UNION ALL
    SELECT
        'Visibility' AS factor,
        CASE
            WHEN visibility IS NULL THEN 9
            WHEN visibility < 1 THEN 1
            WHEN visibility < 3 THEN 2
            WHEN visibility < 10 THEN 3
            ELSE 4
        END AS band_number,
        CASE
            WHEN visibility IS NULL THEN 'No observation'
            WHEN visibility < 1 THEN 'Below 1 mile'
            WHEN visibility < 3 THEN '1 to 3 miles'
            WHEN visibility < 10 THEN '3 to 10 miles'
            ELSE '10 miles'
        END AS band,
        is_cancelled,
        departure_delay_minutes
    FROM observed
    UNION ALL
    SELECT
        'Precipitation' AS factor,
        CASE
            WHEN precipitation IS NULL THEN 9
            WHEN precipitation = 0 THEN 1
            WHEN precipitation < 0.1 THEN 2
            ELSE 3
        END AS band_number,
        CASE
            WHEN precipitation IS NULL THEN 'No observation'
            WHEN precipitation = 0 THEN 'None'
            WHEN precipitation < 0.1 THEN 'Below 0.1 inches'
            ELSE '0.1 inches and more'
        END AS band,
        is_cancelled,
        departure_delay_minutes
    FROM observed
)
SELECT
    factor,
    band_number,
    band,
    count(*) AS flights,
    count_if(is_cancelled) AS cancelled_flights,
    CAST(count_if(is_cancelled) AS DOUBLE) / count(*) AS cancelled_share,
    -- Of the flights that left.
    CAST(count_if(departure_delay_minutes >= 15) AS DOUBLE) / nullif(count(departure_delay_minutes), 0)
        AS delayed_share,
    -- The weight of the mean: flights that left, and whose delay is known.
    count(departure_delay_minutes) AS departure_delay_flights,
    avg(departure_delay_minutes) AS mean_departure_delay_minutes,
    median(departure_delay_minutes) AS median_departure_delay_minutes,
    percentile(departure_delay_minutes, 0.9) AS p90_departure_delay_minutes
FROM banded
GROUP BY factor, band_number, band
