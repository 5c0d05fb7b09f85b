-- Enrolled pictures, kept only when asked for: from them templates of another model can be made.
-- They go with their person.

CREATE TABLE photos (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    person_id    TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    image_sha256 TEXT NOT NULL,                                -- of `image`, lower-case hex
    image        BLOB NOT NULL CHECK (length(image) BETWEEN 1 AND 16777216),
    created_at   TEXT NOT NULL,
    UNIQUE (person_id, image_sha256)
) STRICT;
