-- One row per flight with all attributes to filter or group by: no join is needed.
CREATE OR ALTER VIEW reporting.flight AS
SELECT
    f.flight_key,
    f.date_key,
    d.full_date AS flight_date,
    d.year_month,
    d.day_name,
    f.scheduled_departure_local,
    CAST(LEFT(f.scheduled_departure_local, 2) AS INT) AS scheduled_departure_hour,
    f.scheduled_departure_at AS scheduled_departure_utc,
    f.actual_departure_at AS actual_departure_utc,
    f.airline_key,
    al.airline_name,
    CONCAT(f.airline_key, ' ', f.flight_number) AS flight_number,
    f.origin_airport_key AS origin_code,
    o.airport_name AS origin_name,
    f.destination_code,
    t.airport_name AS destination_name,
    CONCAT(f.origin_airport_key, '-', f.destination_code) AS route,
    f.tail_number,
    ac.manufacturer,
    ac.model AS aircraft_model,
    ac.size_class AS aircraft_size,
    f.status,
    CASE
        WHEN f.status <> 'Arrived' THEN f.status
        WHEN f.is_on_time = 1 THEN 'On time'
        ELSE 'Late'
    END AS outcome,
    f.departure_delay_minutes,
    f.arrival_delay_minutes,
    f.air_time_minutes,
    f.distance_miles
FROM gold.fact_flight AS f
INNER JOIN gold.dim_date AS d ON f.date_key = d.date_key
INNER JOIN gold.dim_airline AS al ON f.airline_key = al.airline_key
INNER JOIN gold.dim_airport AS o ON f.origin_airport_key = o.airport_key
INNER JOIN gold.dim_airport AS t ON f.destination_airport_key = t.airport_key
INNER JOIN gold.dim_aircraft AS ac ON f.aircraft_key = ac.aircraft_key
