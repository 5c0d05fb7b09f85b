-- The first schema: who is known, what happened, what the broker still has to hear.
-- Times are RFC 3339 UTC with milliseconds ("2026-01-31T12:00:00.000Z"), so that text order is time order.

CREATE TABLE persons (
    id         TEXT PRIMARY KEY,                               -- UUIDv7
    name       TEXT NOT NULL COLLATE NOCASE UNIQUE,
    status     TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE templates (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id    TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    model_id     TEXT NOT NULL,                                -- templates of different models never mix
    embedding    BLOB NOT NULL,                                -- little-endian f32, L2-normalised
    quality      REAL NOT NULL CHECK (quality BETWEEN 0 AND 1),
    image_sha256 TEXT NOT NULL,                                -- of the enrolled file: the same image counts once
    created_at   TEXT NOT NULL,
    UNIQUE (model_id, image_sha256)
) STRICT;

CREATE INDEX templates_by_person ON templates (person_id);

-- Counts changes of persons and templates, whichever process made them: the running
-- service compares one number instead of reading the gallery again.
CREATE TABLE gallery_revision (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO gallery_revision (id, revision) VALUES (1, 0);

CREATE TRIGGER persons_inserted AFTER INSERT ON persons
BEGIN UPDATE gallery_revision SET revision = revision + 1; END;
CREATE TRIGGER persons_updated AFTER UPDATE ON persons
BEGIN UPDATE gallery_revision SET revision = revision + 1; END;
CREATE TRIGGER persons_deleted AFTER DELETE ON persons
BEGIN UPDATE gallery_revision SET revision = revision + 1; END;
CREATE TRIGGER templates_inserted AFTER INSERT ON templates
BEGIN UPDATE gallery_revision SET revision = revision + 1; END;
CREATE TRIGGER templates_deleted AFTER DELETE ON templates
BEGIN UPDATE gallery_revision SET revision = revision + 1; END;

-- AUTOINCREMENT: a number is never used twice, not even after the newest row is gone.
-- person_id has no foreign key: the record outlives the person.
CREATE TABLE events (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,                            -- UUIDv7
    time      TEXT NOT NULL,
    kind      TEXT NOT NULL,                                   -- for example access.granted
    person_id TEXT,
    data      TEXT NOT NULL                                    -- JSON
) STRICT;

CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_person ON events (person_id) WHERE person_id IS NOT NULL;

-- What the broker has not confirmed yet. Rows leave only when the broker's last word is in:
-- PUBACK (QoS 1), PUBCOMP (QoS 2), the socket's write (QoS 0) or a refusal with its reason.
CREATE TABLE outbox (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id     TEXT,                                         -- NULL for retained state and availability
    class        TEXT NOT NULL,                                -- access, door, admin, alarm, state, availability
    topic        TEXT NOT NULL,
    qos          INTEGER NOT NULL CHECK (qos IN (0, 1, 2)),
    retain       INTEGER NOT NULL CHECK (retain IN (0, 1)),
    content_type TEXT NOT NULL,
    payload      BLOB NOT NULL,
    -- 0 queued, 1 published (packet id owned), 2 received (PUBREC seen), 3 done, 4 rejected
    stage        INTEGER NOT NULL DEFAULT 0 CHECK (stage BETWEEN 0 AND 4),
    pkid         INTEGER CHECK (pkid BETWEEN 1 AND 65535),
    -- the broker forgot its session while this was under way: it may arrive twice
    maybe_dup    INTEGER NOT NULL DEFAULT 0 CHECK (maybe_dup IN (0, 1)),
    reason       TEXT                                          -- why the broker refused it
) STRICT;

CREATE INDEX outbox_open ON outbox (stage, seq) WHERE stage < 3;
-- A newer retained message replaces the one of its class that still waits.
CREATE INDEX outbox_waiting ON outbox (class) WHERE stage = 0;
CREATE UNIQUE INDEX outbox_pkid ON outbox (pkid) WHERE stage IN (1, 2);

-- The MQTT client's own session header (packet id counters), without the replay list:
-- that is rebuilt from the outbox. No row means: connect clean.
CREATE TABLE mqtt_session (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    header BLOB NOT NULL
) STRICT;
