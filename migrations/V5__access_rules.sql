-- Who may pass when: rules, memberships, orders of an operator, and standing conditions.
-- Rules are JSON, as the program writes them; civil times are of the site.

CREATE TABLE groups (
    name TEXT PRIMARY KEY,
    rule TEXT NOT NULL CHECK (json_valid(rule))
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    rule TEXT NOT NULL CHECK (json_valid(rule))
) STRICT, WITHOUT ROWID;

CREATE TABLE holidays (
    name TEXT PRIMARY KEY,
    rule TEXT NOT NULL CHECK (json_valid(rule))
) STRICT, WITHOUT ROWID;

CREATE TABLE person_groups (
    person_id  TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    group_name TEXT NOT NULL REFERENCES groups (name) ON DELETE CASCADE ON UPDATE CASCADE,
    PRIMARY KEY (person_id, group_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX person_groups_by_group ON person_groups (group_name);

ALTER TABLE persons ADD COLUMN valid_from TEXT;                -- civil, "2026-01-31T00:00:00"
ALTER TABLE persons ADD COLUMN valid_until TEXT;               -- civil, excluded
ALTER TABLE persons ADD COLUMN extended INTEGER NOT NULL DEFAULT 0 CHECK (extended IN (0, 1));
ALTER TABLE persons ADD COLUMN pin_hash TEXT;                  -- Argon2id, PHC form
ALTER TABLE persons ADD COLUMN duress_hash TEXT CHECK (duress_hash IS NULL OR pin_hash IS NOT NULL);

-- The gallery knows names and states; the rest of a person is read anew for every claim.
DROP TRIGGER persons_updated;
CREATE TRIGGER persons_updated AFTER UPDATE OF name, status ON persons
BEGIN
    UPDATE gallery_revision SET revision = revision + 1;
    INSERT OR REPLACE INTO gallery_changes (person_id, revision) SELECT NEW.id, revision FROM gallery_revision;
END;

-- Where somebody was last let in.
CREATE TABLE presence (
    person_id TEXT PRIMARY KEY REFERENCES persons (id) ON DELETE CASCADE,
    area      TEXT,
    door      TEXT NOT NULL,
    at        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The mode an operator chose; no row means that the schedule governs.
CREATE TABLE orders (
    door  TEXT PRIMARY KEY,
    mode  TEXT NOT NULL CHECK (mode IN ('normal', 'unlocked', 'lockdown')),
    until TEXT,                                                -- NULL: until another order
    CHECK (mode <> 'unlocked' OR until IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- One row an alarm: how it last began, ended and was taken note of.
CREATE TABLE conditions (
    alarm             TEXT PRIMARY KEY,
    severity          TEXT NOT NULL CHECK (severity IN ('minor', 'major', 'critical')),
    detail            TEXT NOT NULL,
    raised_at         TEXT NOT NULL,
    cleared_at        TEXT,
    acknowledged_at   TEXT,
    acknowledged_note TEXT
) STRICT, WITHOUT ROWID;

-- Counts changes of what the running service keeps in memory, as gallery_revision does.
CREATE TABLE rules_revision (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO rules_revision (id, revision) VALUES (1, 0);

CREATE TRIGGER groups_inserted AFTER INSERT ON groups BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER groups_updated AFTER UPDATE ON groups BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER groups_deleted AFTER DELETE ON groups BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER schedules_inserted AFTER INSERT ON schedules BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER schedules_updated AFTER UPDATE ON schedules BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER schedules_deleted AFTER DELETE ON schedules BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER holidays_inserted AFTER INSERT ON holidays BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER holidays_updated AFTER UPDATE ON holidays BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER holidays_deleted AFTER DELETE ON holidays BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER orders_inserted AFTER INSERT ON orders BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER orders_updated AFTER UPDATE ON orders BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER orders_deleted AFTER DELETE ON orders BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER conditions_acknowledged AFTER UPDATE OF acknowledged_at ON conditions
WHEN NEW.acknowledged_at IS NOT NULL
BEGIN UPDATE rules_revision SET revision = revision + 1; END;

-- Until somebody says otherwise, whoever is enrolled may pass every door at any time, as before.
INSERT INTO groups (name, rule) VALUES ('everyone',
    '{"overrides_lockdown":false,"first_person":false,"waits_for_first":false,"two_person":false,"pin":false}');
INSERT INTO person_groups (person_id, group_name) SELECT id, 'everyone' FROM persons;
