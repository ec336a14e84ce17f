-- Rights for dev: run in Midnight's database.
-- made from infra/access.yml by python -m tools.generated_files; do not edit

IF DATABASE_PRINCIPAL_ID(N'midnight_read') IS NULL
    CREATE ROLE [midnight_read];

IF DATABASE_PRINCIPAL_ID(N'midnight_read_reporting') IS NULL
    CREATE ROLE [midnight_read_reporting];

IF DATABASE_PRINCIPAL_ID(N'midnight_publish') IS NULL
    CREATE ROLE [midnight_publish];

GRANT SELECT ON SCHEMA::[gold] TO [midnight_read];

GRANT ALTER ON SCHEMA::[gold] TO [midnight_publish];

GRANT SELECT ON SCHEMA::[reporting] TO [midnight_read];

GRANT ALTER ON SCHEMA::[reporting] TO [midnight_publish];

GRANT SELECT ON SCHEMA::[midnight] TO [midnight_read];

GRANT ALTER ON SCHEMA::[midnight] TO [midnight_publish];

GRANT SELECT ON SCHEMA::[reporting] TO [midnight_read_reporting];

GRANT SELECT ON SCHEMA::[midnight] TO [midnight_read_reporting];

GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[midnight_gold] TO [midnight_read];

GRANT ADMINISTER DATABASE BULK OPERATIONS TO [midnight_read];

GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[midnight_gold] TO [midnight_read_reporting];

GRANT ADMINISTER DATABASE BULK OPERATIONS TO [midnight_read_reporting];

GRANT CREATE VIEW TO [midnight_publish];

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-admins') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-admins];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-admins') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-admins];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-admins') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-admins];

IF DATABASE_PRINCIPAL_ID(N'midnight-engineers') IS NULL
    CREATE USER [midnight-engineers] FOR LOGIN [midnight-engineers];

ALTER ROLE [midnight_read] ADD MEMBER [midnight-engineers];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-engineers') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-engineers];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-engineers') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-engineers];

IF DATABASE_PRINCIPAL_ID(N'midnight-readers') IS NULL
    CREATE USER [midnight-readers] FOR LOGIN [midnight-readers];

ALTER ROLE [midnight_read] ADD MEMBER [midnight-readers];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-readers') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-readers];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-readers') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-readers];

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-dev-airflow') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-dev-airflow];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-dev-airflow') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-dev-airflow];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-dev-airflow') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-dev-airflow];

IF DATABASE_PRINCIPAL_ID(N'midnight-dev-serving') IS NULL
    CREATE USER [midnight-dev-serving] FOR LOGIN [midnight-dev-serving];

ALTER ROLE [midnight_read] ADD MEMBER [midnight-dev-serving];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-dev-serving') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-dev-serving];

ALTER ROLE [midnight_publish] ADD MEMBER [midnight-dev-serving];

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-dev-refresh') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-dev-refresh];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-dev-refresh') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-dev-refresh];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-dev-refresh') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-dev-refresh];

IF DATABASE_PRINCIPAL_ID(N'midnight-dev-power-bi-reader') IS NULL
    CREATE USER [midnight-dev-power-bi-reader] FOR LOGIN [midnight-dev-power-bi-reader];

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-dev-power-bi-reader') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-dev-power-bi-reader];

ALTER ROLE [midnight_read_reporting] ADD MEMBER [midnight-dev-power-bi-reader];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-dev-power-bi-reader') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-dev-power-bi-reader];
