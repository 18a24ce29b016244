-- The queue of cache invalidations: made for the connection of a mount, gone with it. Triggers fill it in the transaction
-- that changes a table, so that no method can forget to invalidate. SQLite spills a long queue to a file.
--
-- A new name needs no invalidation: the kernel keeps no negative dentries.

CREATE TEMP TABLE invalidations (
    id      INTEGER PRIMARY KEY,
    kind    TEXT NOT NULL,              -- invalidation_queue::Kind
    number  INTEGER NOT NULL,           -- of the directory, file or view
    name    BLOB NOT NULL DEFAULT x'',
    due     INTEGER NOT NULL DEFAULT 0, -- not before this time, milliseconds since 1970
    shard   INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN kind IN ('dir', 'attributes', 'attributes_again') THEN 0 ELSE 1 + number % 4 END) VIRTUAL,
    UNIQUE (kind, number, name)
) STRICT;
CREATE INDEX temp.invalidations_in_order ON invalidations (shard, due, id);

CREATE TEMP TRIGGER invalidate_dir AFTER UPDATE OF names_changed_ns ON main.dirs BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES ('dir', new.id);
END;
CREATE TEMP TRIGGER invalidate_dir_moved AFTER UPDATE OF parent, name, shown ON main.dirs
WHEN old.shown AND old.name <> x'' AND (old.parent <> new.parent OR old.name <> new.name OR NOT new.shown) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES ('entry', old.parent, old.name);
END;
-- The kernel notices an outdated listing by a later time of its directory. A time that a program has set is not later.
CREATE TEMP TRIGGER invalidate_listing AFTER UPDATE OF names_changed_ns ON main.dirs WHEN new.mtime_ns IS NOT NULL BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES ('listing', new.id);
END;
-- A file's attributes count its names.
CREATE TEMP TRIGGER invalidate_name_came AFTER INSERT ON main.entries
WHEN EXISTS (SELECT 1 FROM main.entries WHERE file = new.file AND id <> new.id) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES ('attributes', new.file);
END;
CREATE TEMP TRIGGER invalidate_name_went AFTER DELETE ON main.entries BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES ('entry', old.dir, old.name);
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES ('attributes', old.file);
END;
CREATE TEMP TRIGGER invalidate_name_moved AFTER UPDATE OF dir, name, file ON main.entries BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES ('entry', old.dir, old.name);
    INSERT OR IGNORE INTO invalidations (kind, number)
        SELECT 'attributes', old.file WHERE old.file <> new.file UNION SELECT 'attributes', new.file WHERE old.file <> new.file;
END;
CREATE TEMP TRIGGER invalidate_file AFTER UPDATE OF size, rendition, mtime_ns, ctime_ns, atime_ns, withheld ON main.files
WHEN (old.size, old.rendition, old.mtime_ns, old.ctime_ns, old.atime_ns, old.withheld)
    IS NOT (new.size, new.rendition, new.mtime_ns, new.ctime_ns, new.atime_ns, new.withheld) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES ('attributes', new.id);
END;
-- The root has a link while files are refused, and one of them since the user removed the link.
CREATE TEMP TRIGGER invalidate_refused_link_came AFTER INSERT ON main.failed
WHEN (SELECT count(*) FROM main.failed WHERE id > coalesce(
    (SELECT CAST(value AS INTEGER) FROM main.meta WHERE key = 'refused_link_dismissed'), 0)) = 1 BEGIN
    INSERT INTO names_changed VALUES (1);
END;
CREATE TEMP TRIGGER invalidate_refused_link_went AFTER DELETE ON main.failed
WHEN NOT EXISTS (SELECT 1 FROM main.failed WHERE id > coalesce(
    (SELECT CAST(value AS INTEGER) FROM main.meta WHERE key = 'refused_link_dismissed'), 0)) BEGIN
    INSERT INTO names_changed VALUES (1);
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES ('entry', 1, CAST('Refused by Google' AS BLOB));
END;
-- An edit has come to nothing: the old bytes are those of the file again.
CREATE TEMP TRIGGER invalidate_bytes AFTER DELETE ON main.uploads WHEN old.replaces IS NOT NULL BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES ('bytes', old.file);
END;
CREATE TEMP TRIGGER invalidate_view_name_moved AFTER UPDATE OF name, file ON main.view_entries
WHEN old.name IS NOT NULL AND (old.name, old.file) IS NOT (new.name, new.file) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES ('view_entry', old.view, old.name);
END;
CREATE TEMP TRIGGER invalidate_view_name_went AFTER DELETE ON main.view_entries WHEN old.name IS NOT NULL BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES ('view_entry', old.view, old.name);
END;
