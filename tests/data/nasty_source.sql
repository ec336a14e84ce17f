-- Difficult names, types, keys and permissions of PostgreSQL in one database.
CREATE SCHEMA sales;
CREATE SCHEMA "Weird Schema";
CREATE SCHEMA secret;
CREATE TYPE mood AS ENUM ('happy', 'so-so', 'it''s "bad"');
CREATE TYPE sales.address AS (street text, "Zip Code" varchar(5));
CREATE DOMAIN email AS varchar(80) CHECK (VALUE LIKE '%@%');
CREATE DOMAIN work_email AS email;
CREATE DOMAIN positive AS numeric(12, 2) CHECK (VALUE > 0);

CREATE TABLE customers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name varchar(40) NOT NULL,
    contact work_email,
    mood mood DEFAULT 'happy',
    phone text,
    credit positive,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE customers IS E'Who buys: "people"\nand companies # yes';
COMMENT ON COLUMN customers.name IS 'Name: as written, {maybe} with ''quotes''';
INSERT INTO customers (name, contact, phone, credit)
SELECT 'name ' || i, 'c' || i || '@example.org', CASE WHEN i % 4 = 0 THEN 'NA' WHEN i % 4 = 1 THEN ' ' ELSE '+49 ' || i END, i
FROM generate_series(1, 40) AS i;

-- Two schemas with one table name.
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    placed date NOT NULL,
    delivered date,
    total numeric(10, 2) NOT NULL,
    tax numeric(10, 2) GENERATED ALWAYS AS (total * 0.19) STORED
);
INSERT INTO orders SELECT i, 1 + i % 40, date '2024-01-01' + i, CASE WHEN i % 3 = 0 THEN 'infinity' ELSE date '2024-02-01' END, i
FROM generate_series(1, 100) AS i;
CREATE TABLE sales.orders (id bigint, note text, UNIQUE (id));
INSERT INTO sales.orders VALUES (1, NULL), (NULL, 'a'), (NULL, 'a');

-- Names.
CREATE TABLE "Weird Schema"."Order.Items ""x""" (
    "Order Id" bigint NOT NULL REFERENCES orders,
    "Line-No" smallint NOT NULL,
    "select" text,
    "größe" text,
    "1st" integer,
    "_midnight_batch_id" text,
    "a" integer,
    "A" integer,
    "Á" integer,
    "quote""d" text,
    "tab	and
newline" text,
    "日本" text,
    "yes" boolean,
    PRIMARY KEY ("Order Id", "Line-No")
);
INSERT INTO "Weird Schema"."Order.Items ""x"""
SELECT i, 1, 'x', 'groß', i, 'y', i, -i, 2 * i, 'q', 't', '日本語 ' || i, true FROM generate_series(1, 10) AS i;
CREATE TABLE "таблица_с_очень_длинным_именем_xx" (ключ integer PRIMARY KEY, значение text);
INSERT INTO "таблица_с_очень_длинным_именем_xx" VALUES (1, 'да'), (2, 'нет');
CREATE TABLE "user" ("order" integer PRIMARY KEY, "group" text);
INSERT INTO "user" VALUES (1, 'a');
CREATE TABLE aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123 (k text PRIMARY KEY);
-- Keys that differ in white space only.
INSERT INTO aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123 VALUES ('x'), (' x'), ('x '), ('NA'), ('');

-- Types.
CREATE TABLE every_type (
    id uuid PRIMARY KEY,
    small smallint, real_number real, double_number double precision,
    free numeric, free_wide numeric, wide numeric(50, 2), minus numeric(5, -2), tiny numeric(2, 5), nan numeric(8, 2),
    money_amount money, flag boolean, fixed char(5), bytes bytea,
    moment timestamp, moment_tz timestamptz(3), day date, hour time, hour_tz timetz, span interval,
    list integer[], texts text[][], doc json, docb jsonb, document xml,
    range int4range, ranges tstzmultirange, place point, address sales.address, addresses sales.address[],
    network inet, mac macaddr, bits bit(4), words tsvector, object oid, lsn pg_lsn, moods mood[]
);
INSERT INTO every_type VALUES (
    '00000000-0000-0000-0000-000000000001', 1, 1.5, 'NaN',
    1.25, 12345678901234567890123.5, 123456789012345678901234567890.25, 12300, 0.00012, 'NaN',
    12.34, true, 'ab', '\x00ff',
    '2024-02-29 12:00:00.123456', '2024-02-29 12:00:00+02', '0001-01-01', '24:00', '12:00+02', '1 year 2 days 03:04:05',
    '{1,2,NULL}', '{{a,b},{"c,d","e\"f"}}', '{"a": [1, "x"]}', '{"b": null}', NULL,
    '[1,5)', '{[2024-01-01,2024-01-02)}', '(1,2)', ROW('Main "St"', '12345'), ARRAY[ROW('x', '1')::sales.address],
    '192.168.0.1/24', '08:00:2b:01:02:03', B'1010', 'a fat cat', 42, '16/B374D848', '{happy,"it''s \"bad\""}'
);
INSERT INTO every_type (id) VALUES ('00000000-0000-0000-0000-000000000002');

-- Shapes.
CREATE TABLE no_key (a integer, b text);
INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (2, E'a,"b"\nc');
CREATE TABLE empty_table (id integer PRIMARY KEY, t text, n numeric, d date);
CREATE TABLE no_columns ();
CREATE UNLOGGED TABLE cache (id integer PRIMARY KEY);
INSERT INTO cache VALUES (1);
CREATE TABLE events (happened timestamptz NOT NULL, kind text NOT NULL, PRIMARY KEY (happened, kind)) PARTITION BY RANGE (happened);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT PARTITION BY LIST (kind);
CREATE TABLE events_rest_all PARTITION OF events_rest DEFAULT;
INSERT INTO events SELECT timestamptz '2023-12-01' + i * interval '1 day', 'k' FROM generate_series(1, 60) AS i;
CREATE TABLE animal (id integer PRIMARY KEY, name text);
CREATE TABLE dog () INHERITS (animal);
CREATE TABLE bird (wings integer) INHERITS (animal);
INSERT INTO animal VALUES (1, 'a');
INSERT INTO dog VALUES (1, 'rex');
INSERT INTO bird VALUES (2, 'tweety', 2);
-- A tree, two tables that reference each other, and a foreign key that rows violate.
CREATE TABLE node (id integer PRIMARY KEY, parent integer REFERENCES node);
INSERT INTO node VALUES (1, NULL), (2, 1), (3, 2);
CREATE TABLE hen (id integer PRIMARY KEY, egg integer);
CREATE TABLE egg (id integer PRIMARY KEY, hen integer REFERENCES hen);
INSERT INTO hen VALUES (1, 1);
INSERT INTO egg VALUES (1, 1), (2, NULL);
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
CREATE TABLE orphan (id integer PRIMARY KEY, hen integer);
INSERT INTO orphan VALUES (1, 1), (2, 99);
ALTER TABLE orphan ADD CONSTRAINT orphan_loose FOREIGN KEY (hen) REFERENCES hen NOT VALID;
-- NA is Namibia here, and a missing value there.
CREATE TABLE countries (code char(2) PRIMARY KEY, iso varchar(3) NOT NULL, area text, capital text);
INSERT INTO countries VALUES ('NA', 'NA', '825615', 'Windhoek'), ('DE', 'DE', 'NA', 'Berlin'), ('FR', 'FR', 'NA', '-');

-- Left out.
CREATE VIEW customer_names AS SELECT name FROM customers;
CREATE MATERIALIZED VIEW customer_count AS SELECT count(*) AS n FROM customers;
CREATE TABLE hidden (id integer PRIMARY KEY);
CREATE TABLE secret.plans (id integer PRIMARY KEY);
CREATE TABLE half_hidden (id integer PRIMARY KEY, shown text, salary numeric);
INSERT INTO half_hidden VALUES (1, 'x', 1000);
CREATE TABLE by_policy (id integer PRIMARY KEY, owner text);
ALTER TABLE by_policy ENABLE ROW LEVEL SECURITY;
