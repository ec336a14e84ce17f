-- Objects that Midnight needs in its database on Synapse serverless SQL. Run once per environment, after database.sql:
-- running it again changes nothing. sqlcmd fills in the name of the lake's account: -v storage_account=...

-- The workspace's identity opens the files, so that readers of a view need no right on the storage.
IF NOT EXISTS (SELECT 1 FROM sys.symmetric_keys WHERE name = '##MS_DatabaseMasterKey##')
    CREATE MASTER KEY;

IF NOT EXISTS (SELECT 1 FROM sys.database_scoped_credentials WHERE name = 'midnight_gold')
    CREATE DATABASE SCOPED CREDENTIAL [midnight_gold] WITH IDENTITY = 'Managed Identity';

IF NOT EXISTS (SELECT 1 FROM sys.external_data_sources WHERE name = 'gold')
    CREATE EXTERNAL DATA SOURCE [gold] WITH (
        LOCATION = 'abfss://gold@$(storage_account).dfs.core.windows.net',
        CREDENTIAL = [midnight_gold]
    );

IF SCHEMA_ID('gold') IS NULL
    EXEC ('CREATE SCHEMA [gold]');

IF SCHEMA_ID('reporting') IS NULL
    EXEC ('CREATE SCHEMA [reporting]');

IF SCHEMA_ID('midnight') IS NULL
    EXEC ('CREATE SCHEMA [midnight]');
