-- Midnight's database and stops for runaway costs, once per environment; running it again changes nothing but the
-- limits. Run in the database master. sqlcmd puts the values in:
-- -v database=midnight daily_limit_tb=1 weekly_limit_tb=3 monthly_limit_tb=10

IF DB_ID('$(database)') IS NULL
    CREATE DATABASE [$(database)] COLLATE Latin1_General_100_BIN2_UTF8;

EXEC sp_set_data_processed_limit @type = N'daily', @limit_tb = $(daily_limit_tb);

EXEC sp_set_data_processed_limit @type = N'weekly', @limit_tb = $(weekly_limit_tb);

EXEC sp_set_data_processed_limit @type = N'monthly', @limit_tb = $(monthly_limit_tb);
