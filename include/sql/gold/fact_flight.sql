-- One row per flight in the timetable, flown or not. It contains every flight of silver exactly once (see the checks).
WITH flights AS (
    SELECT
        *,
        -- time_hour is the scheduled hour in UTC; the minutes are the last two digits of the local time hhmm.
        timestampadd(MINUTE, sched_dep_time % 100, time_hour) AS scheduled_departure_at,
        to_date(from_utc_timestamp(time_hour, 'America/New_York')) AS flight_date,
        CASE
            WHEN dep_time IS NULL THEN 'Cancelled'
            WHEN arr_delay IS NULL THEN 'Diverted'
            ELSE 'Arrived'
        END AS status
    FROM silver.flights
)
SELECT
    flights.flight_id AS flight_key,
    CAST(date_format(flights.flight_date, 'yyyyMMdd') AS INT) AS date_key,
    -- A code without a row in its dimension references the unknown member; the code itself is kept below.
    coalesce(airline.airline_key, 'UNKNOWN') AS airline_key,
    coalesce(origin.airport_key, 'UNKNOWN') AS origin_airport_key,
    coalesce(destination.airport_key, 'UNKNOWN') AS destination_airport_key,
    coalesce(aircraft.aircraft_key, 'UNKNOWN') AS aircraft_key,
    flights.flight AS flight_number,
    flights.dest AS destination_code,
    flights.tailnum AS tail_number,
    flights.status,
    flights.scheduled_departure_at,
    timestampadd(MINUTE, flights.dep_delay, flights.scheduled_departure_at) AS actual_departure_at,
    -- Times of day as hh:mm; the source writes midnight as 2400.
    concat_ws(':',
        lpad(CAST(flights.sched_dep_time DIV 100 % 24 AS STRING), 2, '0'),
        lpad(CAST(flights.sched_dep_time % 100 AS STRING), 2, '0')
    ) AS scheduled_departure_local,
    concat_ws(':',
        lpad(CAST(flights.sched_arr_time DIV 100 % 24 AS STRING), 2, '0'),
        lpad(CAST(flights.sched_arr_time % 100 AS STRING), 2, '0')
    ) AS scheduled_arrival_local,
    CASE WHEN flights.arr_time IS NOT NULL THEN
        concat_ws(':',
            lpad(CAST(flights.arr_time DIV 100 % 24 AS STRING), 2, '0'),
            lpad(CAST(flights.arr_time % 100 AS STRING), 2, '0')
        )
    END AS actual_arrival_local,
    flights.dep_delay AS departure_delay_minutes,
    flights.arr_delay AS arrival_delay_minutes,
    flights.air_time AS air_time_minutes,
    flights.distance AS distance_miles,
    flights.status = 'Cancelled' AS is_cancelled,
    flights.status = 'Diverted' AS is_diverted,
    -- The definition of the US Department of Transportation: at the gate less than 15 minutes late.
    flights.arr_delay < 15 AS is_on_time
FROM flights
LEFT JOIN gold.dim_airline AS airline ON airline.airline_key = flights.carrier
LEFT JOIN gold.dim_airport AS origin ON origin.airport_key = flights.origin
LEFT JOIN gold.dim_airport AS destination ON destination.airport_key = flights.dest
LEFT JOIN gold.dim_aircraft AS aircraft ON aircraft.aircraft_key = flights.tailnum
