-- Rights for dev: run in Midnight's database.
-- made from infra/access.yml by python -m local.generated_files; do not edit

IF DATABASE_PRINCIPAL_ID(N'midnight_read') IS NULL
    CREATE ROLE [midnight_read];

IF DATABASE_PRINCIPAL_ID(N'midnight_publish') IS NULL
    CREATE ROLE [midnight_publish];

GRANT SELECT ON SCHEMA::[gold] TO [midnight_read];

GRANT ALTER ON SCHEMA::[gold] TO [midnight_publish];

GRANT SELECT ON SCHEMA::[reporting] TO [midnight_read];

GRANT ALTER ON SCHEMA::[reporting] TO [midnight_publish];

GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[midnight_gold] TO [midnight_read];

GRANT CREATE VIEW TO [midnight_publish];

GRANT ADMINISTER DATABASE BULK OPERATIONS TO [midnight_read];

IF IS_ROLEMEMBER(N'midnight_read', N'midnight-admins') = 1
    ALTER ROLE [midnight_read] DROP MEMBER [midnight-admins];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-admins') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-admins];

IF DATABASE_PRINCIPAL_ID(N'midnight-engineers') IS NULL
    CREATE USER [midnight-engineers] FOR LOGIN [midnight-engineers];

ALTER ROLE [midnight_read] ADD MEMBER [midnight-engineers];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-engineers') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-engineers];

IF DATABASE_PRINCIPAL_ID(N'midnight-readers') IS NULL
    CREATE USER [midnight-readers] FOR LOGIN [midnight-readers];

ALTER ROLE [midnight_read] ADD MEMBER [midnight-readers];

IF IS_ROLEMEMBER(N'midnight_publish', N'midnight-readers') = 1
    ALTER ROLE [midnight_publish] DROP MEMBER [midnight-readers];

IF DATABASE_PRINCIPAL_ID(N'midnight-dev-airflow') IS NULL
    CREATE USER [midnight-dev-airflow] FOR LOGIN [midnight-dev-airflow];

ALTER ROLE [midnight_read] ADD MEMBER [midnight-dev-airflow];

ALTER ROLE [midnight_publish] ADD MEMBER [midnight-dev-airflow];
