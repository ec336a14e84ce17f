-- Midnight's database and a stop for runaway costs, once per environment; running it again changes nothing but the
-- limit. Run in the database master. sqlcmd puts the values in: -v database=midnight daily_limit_tb=1

IF DB_ID('$(database)') IS NULL
    CREATE DATABASE [$(database)] COLLATE Latin1_General_100_BIN2_UTF8;

EXEC sp_set_data_processed_limit @type = N'daily', @limit_tb = $(daily_limit_tb);
