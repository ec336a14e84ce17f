-- Foreign keys whose equality is not that of texts, and keys in which PostgreSQL and a text differ.
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
-- The embedded server is built without ICU, which alone has such collations: this one only says that it is one.
CREATE COLLATION ignore_case (provider = libc, locale = 'C');
UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'ignore_case';

-- citext, also below a domain.
CREATE DOMAIN address AS citext;
CREATE TABLE account (email citext PRIMARY KEY);
INSERT INTO account VALUES ('A@Example.org');
CREATE TABLE login (id int PRIMARY KEY, email citext NOT NULL REFERENCES account, other address REFERENCES account);
INSERT INTO login VALUES (1, 'a@example.org', 'a@EXAMPLE.org'), (2, 'A@EXAMPLE.ORG', NULL), (3, 'A@Example.org', NULL);

-- character(n), whose blanks at the end do not count; against text it is compared without them.
CREATE TABLE unit (code char(5) PRIMARY KEY);
INSERT INTO unit VALUES ('kg'), ('m');
CREATE TABLE item (id int PRIMARY KEY, code varchar(10) REFERENCES unit, padded char(9) REFERENCES unit);
INSERT INTO item VALUES (1, 'kg', 'kg'), (2, 'kg  ', 'm       '), (3, NULL, NULL);
CREATE TABLE label (code text PRIMARY KEY, short name UNIQUE NOT NULL);
INSERT INTO label VALUES ('kg', 'k'), (' kg', 'l'), ('kg ', 'm'), ('', 'n'), ('NA', 'o');
CREATE TABLE labelled (id int PRIMARY KEY, code char(6) REFERENCES label, exact varchar(9) REFERENCES label,
    short name REFERENCES label (short));
INSERT INTO labelled VALUES (1, 'kg', 'kg ', 'k'), (2, ' kg', ' kg', NULL), (3, '', '', 'o'), (4, 'NA', 'NA', 'n');

-- A collation that ignores case.
CREATE TABLE country (name text COLLATE ignore_case PRIMARY KEY);
INSERT INTO country VALUES ('Norway');
CREATE TABLE port (id int PRIMARY KEY, country text COLLATE ignore_case REFERENCES country);
INSERT INTO port VALUES (1, 'Norway');

-- Numbers.
CREATE TABLE price (amount numeric PRIMARY KEY, level numeric(10, 2) UNIQUE NOT NULL, wide numeric(38, 0) UNIQUE NOT NULL);
INSERT INTO price VALUES (1.0, 1.00, 1), (2.50, 2.5, 12345678901234567890123456789012345678);
CREATE TABLE sale (id int PRIMARY KEY, amount numeric REFERENCES price, level numeric(8, 4) REFERENCES price (level),
    wide numeric(38, 10) REFERENCES price (wide), small int REFERENCES price (level), big bigint REFERENCES price);
INSERT INTO sale VALUES (1, 1.00, 1.0000, 1, 1, 1), (2, 2.5, 2.5000, 1, 1, 1);
CREATE TABLE odd (amount numeric PRIMARY KEY);
INSERT INTO odd VALUES ('NaN'), (1.0);
CREATE TABLE odd_use (id int PRIMARY KEY, amount numeric REFERENCES odd);
INSERT INTO odd_use VALUES (1, 'NaN'), (2, 1.00);
CREATE TABLE mass (f real PRIMARY KEY, d double precision UNIQUE NOT NULL);
INSERT INTO mass VALUES ('-0', 'NaN'), ('NaN', '-0'), (0.5, 0.5);
CREATE TABLE mass_use (id int PRIMARY KEY, f real REFERENCES mass, d double precision REFERENCES mass (d), cross_type real REFERENCES mass (d));
INSERT INTO mass_use VALUES (1, 0, 'NaN', 0.5), (2, 'NaN', 0, 'NaN');
CREATE TABLE small (id smallint PRIMARY KEY);
INSERT INTO small VALUES (1), (-32768);
CREATE TABLE small_use (id int PRIMARY KEY, s bigint REFERENCES small);
INSERT INTO small_use VALUES (1, 1), (2, -32768);

-- Times: a date against a timestamp with time zone depends on the zone of the session that writes.
CREATE TABLE day (at timestamptz PRIMARY KEY, day date UNIQUE NOT NULL, local timestamp UNIQUE NOT NULL);
INSERT INTO day VALUES ('2024-03-01 00:00+00', '2024-03-01', '2024-03-01'), ('infinity', 'infinity', '0044-03-15 BC');
CREATE TABLE day_use (id int PRIMARY KEY, at date REFERENCES day, day date REFERENCES day (day), local timestamp REFERENCES day (local),
    mixed date REFERENCES day (local), late timestamptz(0) REFERENCES day);
INSERT INTO day_use VALUES (1, NULL, '2024-03-01', '0044-03-15 BC', '2024-03-01', '2024-03-01 01:00+01'), (2, NULL, 'infinity', NULL, NULL, 'infinity');

-- Other types.
CREATE TYPE colour AS ENUM ('red', ' red');
CREATE TABLE paint (colour colour PRIMARY KEY);
INSERT INTO paint VALUES ('red'), (' red');
CREATE TABLE letter (c "char" PRIMARY KEY);
INSERT INTO letter VALUES ('a'), (' '), ('');
CREATE TABLE thing (id uuid PRIMARY KEY, colour colour UNIQUE NOT NULL, span interval UNIQUE NOT NULL, doc jsonb UNIQUE NOT NULL,
    ids int[] UNIQUE NOT NULL, net inet UNIQUE NOT NULL, block cidr UNIQUE NOT NULL, raw bytea UNIQUE NOT NULL, range numrange UNIQUE NOT NULL,
    money money UNIQUE NOT NULL, yes boolean UNIQUE NOT NULL);
INSERT INTO thing VALUES ('00000000-0000-0000-0000-000000000001', 'red', '1 month', '{"a": 1.0}', '{1,2}', '10.0.0.1', '10.0.0.0/8', '\x00', '[1.0,2)', 1, true),
    ('00000000-0000-0000-0000-000000000002', ' red', '1 day', '{"a": 2}', '[0:1]={1,2}', '10.0.0.2/8', '10.1.2.3/32', '\xff', '[5,6)', 2, false);
CREATE TABLE thing_use (n int PRIMARY KEY, id uuid REFERENCES thing, colour colour REFERENCES thing (colour), span interval REFERENCES thing (span),
    doc jsonb REFERENCES thing (doc), ids int[] REFERENCES thing (ids), net inet REFERENCES thing (net), block cidr REFERENCES thing (block),
    mixed cidr REFERENCES thing (net), raw bytea REFERENCES thing (raw), range numrange REFERENCES thing (range), money money REFERENCES thing (money),
    yes boolean REFERENCES thing (yes));
INSERT INTO thing_use VALUES (1, '00000000-0000-0000-0000-000000000001', ' red', '30 days', '{"a": 1.00}', '[0:1]={1,2}', '10.0.0.1/32', '10.1.2.3', '10.0.0.1', '\xff', '[1,2.0)', 2, true);
CREATE TABLE listed (tags text[] PRIMARY KEY, n int);
INSERT INTO listed VALUES ('{a,b}', 1), ('[0:1]={a,b}', 2);

-- Several columns, a circle to itself, an end of the transaction, a partitioned table.
CREATE TABLE pair (a int, b text, PRIMARY KEY (a, b));
INSERT INTO pair VALUES (1, 'x'), (1, 'x ');
CREATE TABLE pair_use (id int PRIMARY KEY, a int, b varchar(5), c int, d text,
    FOREIGN KEY (a, b) REFERENCES pair MATCH FULL, FOREIGN KEY (c, d) REFERENCES pair (a, b));
INSERT INTO pair_use VALUES (1, 1, 'x ', 1, 'x'), (2, NULL, NULL, 7, NULL), (3, NULL, NULL, NULL, 'nowhere');
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree DEFERRABLE INITIALLY DEFERRED);
INSERT INTO tree VALUES (1, 2), (2, 3), (3, 1), (4, NULL);
CREATE TABLE part (id int, year int, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
CREATE TABLE part_24 PARTITION OF part FOR VALUES IN (2024);
CREATE TABLE part_25 PARTITION OF part FOR VALUES IN (2025);
INSERT INTO part VALUES (1, 2024), (1, 2025);
CREATE TABLE part_use (id int PRIMARY KEY, part int, year int, own int UNIQUE, FOREIGN KEY (part, year) REFERENCES part);
INSERT INTO part_use VALUES (1, 1, 2024), (2, 1, 2025), (3, NULL, 2030);
CREATE TABLE leaf_use (id int PRIMARY KEY, leaf int, year int, FOREIGN KEY (leaf, year) REFERENCES part_24);
INSERT INTO leaf_use VALUES (1, 1, 2024);

-- Not every row is bound.
CREATE TABLE loose (id int PRIMARY KEY, a int, b int, c int);
INSERT INTO loose VALUES (1, 99, 99, 99);
ALTER TABLE loose ADD CONSTRAINT loose_valid FOREIGN KEY (a) REFERENCES tree NOT VALID;
ALTER TABLE loose ADD CONSTRAINT loose_enforced FOREIGN KEY (b) REFERENCES tree NOT ENFORCED;
CREATE TABLE switched (id int PRIMARY KEY, up int REFERENCES tree);
ALTER TABLE switched DISABLE TRIGGER ALL;
INSERT INTO switched VALUES (1, 99);
CREATE TABLE parent (id int PRIMARY KEY, up int REFERENCES tree);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1, 1);
INSERT INTO child VALUES (1, 99);
CREATE DOMAIN present AS int NOT NULL;
CREATE TABLE hole (id int PRIMARY KEY, code present UNIQUE);
CREATE TABLE maybe (code text, n int, UNIQUE NULLS NOT DISTINCT (code));
INSERT INTO maybe VALUES (NULL, 1), ('a', 2), ('a ', 3);
ALTER TABLE maybe ADD CONSTRAINT later NOT NULL code NOT VALID;

-- Periods.
CREATE TABLE room (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
INSERT INTO room VALUES (1, '[2024-01-01,2024-02-01)'), (1, '[2024-02-01,2024-03-01)');
CREATE TABLE booking (id int PRIMARY KEY, room int, during daterange, FOREIGN KEY (room, PERIOD during) REFERENCES room (id, PERIOD during));
INSERT INTO booking VALUES (1, 1, '[2024-01-10,2024-02-10)');
