-- Messages that expire, that answer something, and that were sent too long ago to be still held
-- by the broker. Times are milliseconds since 1970.
ALTER TABLE outbox ADD COLUMN expires_at INTEGER;
ALTER TABLE outbox ADD COLUMN correlation BLOB;
-- When it was first put on the wire under its packet id: brokers hold an id from then on.
ALTER TABLE outbox ADD COLUMN sent_at INTEGER;

-- What was dropped before the broker had it and has not been reported by an event yet.
CREATE TABLE outbox_dropped (
    class    TEXT NOT NULL,
    reason   TEXT NOT NULL CHECK (reason IN ('limit', 'expired')),
    messages INTEGER NOT NULL,
    reported INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (class, reason)
) STRICT;

-- Who may send commands.
CREATE TABLE operators (
    name       TEXT PRIMARY KEY,
    role       TEXT NOT NULL CHECK (role IN ('view', 'operate', 'admin')),
    -- Ed25519, 32 bytes
    public_key BLOB NOT NULL CHECK (length(public_key) = 32),
    added_at   TEXT NOT NULL
) STRICT;

-- Commands that were seen, until they would be refused as expired anyway.
CREATE TABLE commands_seen (
    operator   TEXT NOT NULL,
    id         TEXT NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (operator, id)
) STRICT;
CREATE INDEX commands_seen_expiry ON commands_seen (expires_at);
