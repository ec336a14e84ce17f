-- Midnight's database and a cost limit. Run once per environment, in the database master; running it again changes only
-- the limit. sqlcmd fills in the values: -v database=midnight weekly_limit_tb=5
--
-- The limit applies to the whole workspace. Publishing views processes no data and still works when it is reached.
-- A daily limit is not set, so that a day of heavy queries does not block all readers for the rest of the day.

IF DB_ID('$(database)') IS NULL
    CREATE DATABASE [$(database)] COLLATE Latin1_General_100_BIN2_UTF8;

EXEC sp_set_data_processed_limit @type = N'weekly', @limit_tb = $(weekly_limit_tb);
