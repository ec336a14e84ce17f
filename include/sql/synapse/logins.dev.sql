-- Logins for dev: run in the database master.
-- made from infra/access.yml by python -m tools.generated_files; do not edit

IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'midnight-engineers')
    CREATE LOGIN [midnight-engineers] FROM EXTERNAL PROVIDER;

IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'midnight-readers')
    CREATE LOGIN [midnight-readers] FROM EXTERNAL PROVIDER;

IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'midnight-dev-serving')
    CREATE LOGIN [midnight-dev-serving] FROM EXTERNAL PROVIDER;

IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'midnight-dev-power-bi-reader')
    CREATE LOGIN [midnight-dev-power-bi-reader] FROM EXTERNAL PROVIDER;
