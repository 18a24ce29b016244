-- What the kernel may have cached and what is no longer so: made for the connection of a mount, gone with it. A change
-- of the tables cannot be forgotten to be invalidated, nor invalidated without having happened. SQLite moves what is too much for
-- its memory to a file.
--
-- kind: store::invalidations. A name that comes is not invalidated: the kernel keeps no names that are not there.

CREATE TEMP TABLE invalidations (
    id      INTEGER PRIMARY KEY,
    kind    INTEGER NOT NULL,           -- 0 directory, 1 attributes, 2 attributes once more, 3 name, 4 bytes, 5 name in a view
    number  INTEGER NOT NULL,           -- of the directory, file or view
    name    BLOB NOT NULL DEFAULT x'',
    due     INTEGER NOT NULL DEFAULT 0, -- not to be invalidated before, milliseconds since 1970
    shard    INTEGER NOT NULL GENERATED ALWAYS AS (CASE WHEN kind < 3 THEN 0 ELSE 1 + number % 4 END) VIRTUAL,
    UNIQUE (kind, number, name)
) STRICT;
CREATE INDEX temp.invalidations_in_order ON invalidations (shard, due, id);

CREATE TEMP TRIGGER invalidate_dir AFTER UPDATE OF names_changed_ns ON main.dirs BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES (0, new.id);
END;
CREATE TEMP TRIGGER invalidate_dir_moved AFTER UPDATE OF parent, name, shown ON main.dirs
WHEN old.shown AND old.name <> x'' AND (old.parent <> new.parent OR old.name <> new.name OR NOT new.shown) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES (3, old.parent, old.name);
END;
-- A file's attributes count its names.
CREATE TEMP TRIGGER invalidate_name_came AFTER INSERT ON main.entries
WHEN EXISTS (SELECT 1 FROM main.entries WHERE file = new.file AND id <> new.id) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES (1, new.file);
END;
CREATE TEMP TRIGGER invalidate_name_went AFTER DELETE ON main.entries BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES (3, old.dir, old.name);
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES (1, old.file);
END;
CREATE TEMP TRIGGER invalidate_name_moved AFTER UPDATE OF dir, name, file ON main.entries BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES (3, old.dir, old.name);
    INSERT OR IGNORE INTO invalidations (kind, number)
        SELECT 1, old.file WHERE old.file <> new.file UNION SELECT 1, new.file WHERE old.file <> new.file;
END;
CREATE TEMP TRIGGER invalidate_file AFTER UPDATE OF size, rendition, mtime_ns, ctime_ns, atime_ns ON main.files
WHEN (old.size, old.rendition, old.mtime_ns, old.ctime_ns, old.atime_ns)
    IS NOT (new.size, new.rendition, new.mtime_ns, new.ctime_ns, new.atime_ns) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES (1, new.id);
END;
-- An edit has come to nothing: the old bytes are those of the file again.
CREATE TEMP TRIGGER invalidate_bytes AFTER DELETE ON main.uploads WHEN old.replaces IS NOT NULL BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number) VALUES (4, old.file);
END;
CREATE TEMP TRIGGER invalidate_view_name_moved AFTER UPDATE OF name, file ON main.view_entries
WHEN old.name IS NOT NULL AND (old.name, old.file) IS NOT (new.name, new.file) BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES (5, old.view, old.name);
END;
CREATE TEMP TRIGGER invalidate_view_name_went AFTER DELETE ON main.view_entries WHEN old.name IS NOT NULL BEGIN
    INSERT OR IGNORE INTO invalidations (kind, number, name) VALUES (5, old.view, old.name);
END;
