-- The revision of the rules counts everything that the guard goes by: people in whatever they have,
-- their groups, operators, and that somebody's whereabouts were forgotten. (Where somebody passed is
-- the guard's own doing and changes nothing for it.)
CREATE TRIGGER persons_ruled_inserted AFTER INSERT ON persons BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER persons_ruled_updated AFTER UPDATE ON persons BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER persons_ruled_deleted AFTER DELETE ON persons BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER person_groups_inserted AFTER INSERT ON person_groups BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER person_groups_deleted AFTER DELETE ON person_groups BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER operators_inserted AFTER INSERT ON operators BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER operators_updated AFTER UPDATE ON operators BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER operators_deleted AFTER DELETE ON operators BEGIN UPDATE rules_revision SET revision = revision + 1; END;
CREATE TRIGGER presence_forgotten AFTER DELETE ON presence BEGIN UPDATE rules_revision SET revision = revision + 1; END;
