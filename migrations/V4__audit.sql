-- A record that cannot be quietly changed: every event carries the hash of itself and of the one
-- before it. What is hashed, byte by byte: docs/audit.md.

ALTER TABLE events ADD COLUMN by TEXT;                         -- who, for administration: cli:alice
ALTER TABLE events ADD COLUMN clock_synced INTEGER NOT NULL DEFAULT 1 CHECK (clock_synced IN (0, 1));
ALTER TABLE events ADD COLUMN hash BLOB CHECK (length(hash) = 32);

-- The newest event's number and hash. The next event's number is this one plus one.
CREATE TABLE chain (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO chain (id, seq, hash) VALUES (1, 0, zeroblob(32));

-- Where the kept chain begins: the last event that is gone, number 0 while none is.
CREATE TABLE chain_start (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO chain_start (id, seq, hash) VALUES (1, 0, zeroblob(32));

-- The head that was last signed and published; at most one row.
CREATE TABLE checkpoints (
    seq  INTEGER PRIMARY KEY,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    time TEXT NOT NULL
) STRICT;
