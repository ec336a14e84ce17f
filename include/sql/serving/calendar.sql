-- The date table of a semantic model: every day of the years with flights, without gaps.
CREATE OR ALTER VIEW reporting.calendar AS
SELECT
    d.date_key,
    d.full_date,
    d.year AS calendar_year,
    d.quarter AS calendar_quarter,
    d.month AS month_number,
    d.month_name,
    d.year_month,
    d.iso_week,
    d.day_of_month,
    d.day_of_week,
    d.day_name,
    CASE WHEN d.is_weekend = 1 THEN 'Weekend' ELSE 'Weekday' END AS day_kind
FROM gold.dim_date AS d
