-- How much waits for the broker, kept by triggers, whoever queues, sends or drops: counting a
-- million rows each time would cost more than sending them. Refused rows do not count.
CREATE TABLE outbox_size (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    messages INTEGER NOT NULL,
    bytes    INTEGER NOT NULL                                  -- of payload
) STRICT;
INSERT INTO outbox_size (id, messages, bytes)
SELECT 1, count(*), coalesce(sum(length(payload)), 0) FROM outbox WHERE stage < 3;

CREATE TRIGGER outbox_grows AFTER INSERT ON outbox WHEN new.stage < 3
BEGIN UPDATE outbox_size SET messages = messages + 1, bytes = bytes + length(new.payload); END;
CREATE TRIGGER outbox_shrinks AFTER DELETE ON outbox WHEN old.stage < 3
BEGIN UPDATE outbox_size SET messages = messages - 1, bytes = bytes - length(old.payload); END;
CREATE TRIGGER outbox_refuses AFTER UPDATE OF stage ON outbox WHEN old.stage < 3 AND new.stage >= 3
BEGIN UPDATE outbox_size SET messages = messages - 1, bytes = bytes - length(old.payload); END;
CREATE TRIGGER outbox_retries AFTER UPDATE OF stage ON outbox WHEN old.stage >= 3 AND new.stage < 3
BEGIN UPDATE outbox_size SET messages = messages + 1, bytes = bytes + length(new.payload); END;

-- What may be dropped, expires or was refused is found without reading what is neither.
CREATE INDEX outbox_qos0 ON outbox (qos) WHERE stage = 0 AND qos = 0;
CREATE INDEX outbox_expiry ON outbox (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX outbox_refused ON outbox (stage) WHERE stage = 4;
