-- Midnight's database and a stop for runaway costs, once per environment; running it again changes nothing but the
-- limit. Run in the database master. sqlcmd puts the values in: -v database=midnight weekly_limit_tb=5
--
-- A limit holds for the whole workspace. Publishing views needs no data and goes on where it is reached; there is no
-- daily limit, so that one day of heavy queries does not lock the readers out for the rest of it.

IF DB_ID('$(database)') IS NULL
    CREATE DATABASE [$(database)] COLLATE Latin1_General_100_BIN2_UTF8;

EXEC sp_set_data_processed_limit @type = N'weekly', @limit_tb = $(weekly_limit_tb);
