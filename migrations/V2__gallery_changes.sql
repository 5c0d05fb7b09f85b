-- Who changed, and not only that something did: the running service reads one person again
-- instead of everybody. One row a person, with the revision of the last change: the table cannot
-- grow beyond the people there ever were, and somebody erased leaves nothing but an id.
CREATE TABLE gallery_changes (
    person_id TEXT PRIMARY KEY,                                -- no foreign key: it outlives the person
    revision  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX gallery_changes_by_revision ON gallery_changes (revision);

DROP TRIGGER persons_inserted;
DROP TRIGGER persons_updated;
DROP TRIGGER persons_deleted;
DROP TRIGGER templates_inserted;
DROP TRIGGER templates_deleted;

CREATE TRIGGER persons_inserted AFTER INSERT ON persons
BEGIN
    UPDATE gallery_revision SET revision = revision + 1;
    INSERT OR REPLACE INTO gallery_changes (person_id, revision) SELECT NEW.id, revision FROM gallery_revision;
END;
CREATE TRIGGER persons_updated AFTER UPDATE ON persons
BEGIN
    UPDATE gallery_revision SET revision = revision + 1;
    INSERT OR REPLACE INTO gallery_changes (person_id, revision) SELECT NEW.id, revision FROM gallery_revision;
END;
CREATE TRIGGER persons_deleted AFTER DELETE ON persons
BEGIN
    UPDATE gallery_revision SET revision = revision + 1;
    INSERT OR REPLACE INTO gallery_changes (person_id, revision) SELECT OLD.id, revision FROM gallery_revision;
END;
CREATE TRIGGER templates_inserted AFTER INSERT ON templates
BEGIN
    UPDATE gallery_revision SET revision = revision + 1;
    INSERT OR REPLACE INTO gallery_changes (person_id, revision) SELECT NEW.person_id, revision FROM gallery_revision;
END;
CREATE TRIGGER templates_deleted AFTER DELETE ON templates
BEGIN
    UPDATE gallery_revision SET revision = revision + 1;
    INSERT OR REPLACE INTO gallery_changes (person_id, revision) SELECT OLD.person_id, revision FROM gallery_revision;
END;
