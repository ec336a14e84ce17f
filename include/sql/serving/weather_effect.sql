-- Effect of the weather at the airport of departure on departures; each flight counts once per factor.
CREATE OR ALTER VIEW reporting.weather_effect AS
SELECT
    w.factor,
    w.band_number,
    w.band,
    w.flights,
    w.cancelled_flights,
    w.cancelled_share,
    w.delayed_share,
    w.departure_delay_flights,
    w.mean_departure_delay_minutes,
    w.median_departure_delay_minutes,
    w.p90_departure_delay_minutes
FROM gold.mart_weather_effect AS w
