-- Rights for prod: run in Midnight's database.
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

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-prod-airflow') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-prod-airflow];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-prod-airflow') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-prod-airflow];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-prod-airflow') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-prod-airflow];

IF DATABASE_PRINCIPAL_ID(N'midnight-prod-serving') IS NULL
    CREATE USER [midnight-prod-serving] FOR LOGIN [midnight-prod-serving];

ALTER ROLE [midnight_read] ADD MEMBER [midnight-prod-serving];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-prod-serving') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-prod-serving];

ALTER ROLE [midnight_publish] ADD MEMBER [midnight-prod-serving];

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-prod-refresh') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-prod-refresh];

IF IS_ROLEMEMBER(N'midnight_read_reporting', N'midnight-prod-refresh') = 1
    ALTER ROLE [midnight_read_reporting] DROP MEMBER [midnight-prod-refresh];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-prod-refresh') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-prod-refresh];

IF DATABASE_PRINCIPAL_ID(N'midnight-prod-power-bi-reader') IS NULL
    CREATE USER [midnight-prod-power-bi-reader] FOR LOGIN [midnight-prod-power-bi-reader];

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-prod-power-bi-reader') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-prod-power-bi-reader];

ALTER ROLE [midnight_read_reporting] ADD MEMBER [midnight-prod-power-bi-reader];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-prod-power-bi-reader') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-prod-power-bi-reader];
