-- What Midnight needs in its database on Synapse serverless SQL, once per environment; running it again changes
-- nothing. After database.sql. sqlcmd puts the name of the lake's account in: -v storage_account=...

-- The workspace's identity opens the files, so that nobody who reads a view needs a right on the storage.
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
