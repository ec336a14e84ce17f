-- One row per day of every year with flights, so that reports also show days without flights.
-- There is no unknown member: silver has no flight without a time, and reporting tools require a calendar without gaps.
WITH happened AS (
    SELECT min(time_hour) AS first_hour, max(time_hour) AS last_hour FROM silver.flights
),
-- Days are those of New York, where all flights of this source depart; times in the lake are UTC.
years AS (
    SELECT
        year(from_utc_timestamp(first_hour, 'America/New_York')) AS first_year,
        year(from_utc_timestamp(last_hour, 'America/New_York')) AS last_year
    FROM happened
    WHERE first_hour IS NOT NULL
),
days AS (
    SELECT explode(sequence(make_date(first_year, 1, 1), make_date(last_year, 12, 31), INTERVAL 1 DAY)) AS full_date
    FROM years
)
SELECT
    CAST(date_format(full_date, 'yyyyMMdd') AS INT) AS date_key,
    full_date,
    year(full_date) AS year,
    quarter(full_date) AS quarter,
    month(full_date) AS month,
    date_format(full_date, 'MMMM') AS month_name,
    date_format(full_date, 'yyyy-MM') AS year_month,
    weekofyear(full_date) AS iso_week,
    day(full_date) AS day_of_month,
    -- dayofweek counts from Sunday = 1. (Not weekday: Sail 0.7.2 returns -1 for a Sunday.)
    (dayofweek(full_date) + 5) % 7 + 1 AS day_of_week,
    date_format(full_date, 'EEEE') AS day_name,
    dayofweek(full_date) IN (1, 7) AS is_weekend
FROM days
