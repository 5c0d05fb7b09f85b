//! The tables of the witness's file.

/// Made at first use. `n` counts in the order in which things were heard.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS witness (
        id        INTEGER PRIMARY KEY CHECK (id = 1),
        client_id TEXT NOT NULL,
        sessions  INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE IF NOT EXISTS keys (
        door TEXT PRIMARY KEY,
        key  TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS topics (
        door TEXT PRIMARY KEY,
        base TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS heard (
        n       INTEGER PRIMARY KEY,
        door    TEXT NOT NULL,
        seq     INTEGER NOT NULL,
        hash    BLOB NOT NULL,
        id      BLOB NOT NULL,
        follows INTEGER NOT NULL,
        at      TEXT NOT NULL,
        -- The message, while the event that it follows is missing.
        waiting BLOB,
        UNIQUE (door, seq, hash)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS waiting ON heard (door, follows) WHERE waiting IS NOT NULL;
    CREATE TABLE IF NOT EXISTS checkpoints (
        n      INTEGER PRIMARY KEY,
        door   TEXT NOT NULL,
        seq    INTEGER NOT NULL,
        hash   BLOB NOT NULL,
        made   INTEGER NOT NULL,
        -- 0 when the door's key is known and did not sign it.
        signed INTEGER NOT NULL,
        token  TEXT NOT NULL,
        at     TEXT NOT NULL,
        UNIQUE (door, token)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS findings (
        n       INTEGER PRIMARY KEY,
        door    TEXT NOT NULL,
        finding TEXT NOT NULL,
        seq     INTEGER NOT NULL,
        detail  TEXT NOT NULL,
        at      TEXT NOT NULL,
        UNIQUE (door, finding, seq, detail)
    ) STRICT;";
