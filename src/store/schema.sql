-- What is kept across mounts. ARCHITECTURE.md tells the same story in prose.
--
-- A *file* has bytes and a life; an *entry* is a name for it in a directory; a *member* says whether
-- Google has (or shall have) it in that directory's album. Names are ours alone, membership is
-- reconciled with Google: wherever want and present differ there is something to do.
-- Row numbers are never reused: they are inode numbers and directory offsets.
-- Times are milliseconds since 1970 unless the name says otherwise.

CREATE TABLE dirs (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    parent  INTEGER NOT NULL REFERENCES dirs(id),
    name    BLOB NOT NULL,              -- as shown: safe and unique in its parent
    shown   INTEGER NOT NULL DEFAULT 1, -- 0: an album hidden by rmdir, or a parent of nothing else
    local   INTEGER NOT NULL DEFAULT 0, -- 1: made for half-written files: no album, and what is in it is only here
    names_changed_ns INTEGER NOT NULL DEFAULT 0, -- when a name in it came or went, nanoseconds since 1970; grows always
    UNIQUE (parent, name)
) STRICT;
INSERT INTO dirs (id, parent, name, names_changed_ns)
    VALUES (1, 1, x'', CAST(unixepoch('subsec') * 1000000000 AS INTEGER));

CREATE TABLE albums (
    dir             INTEGER PRIMARY KEY REFERENCES dirs(id),
    remote          TEXT UNIQUE,        -- NULL: creation was asked for, the answer is not known
    title           TEXT NOT NULL,      -- as Google has it
    wanted          TEXT,               -- as it shall be called there, if otherwise: it was moved here
    conflict_name       INTEGER NOT NULL DEFAULT 0,  -- 1: something else has the place that its title stands for
    hidden          INTEGER NOT NULL DEFAULT 0,  -- 1: rmdir was asked for; Google cannot delete albums
    count_hint      INTEGER NOT NULL DEFAULT 0,  -- mediaItemsCount when last told
    described_at         INTEGER NOT NULL DEFAULT 0,  -- when Google last described the album
    count_offset          INTEGER NOT NULL DEFAULT 0,  -- what the count has beyond what listings show
    count_mismatch         INTEGER NOT NULL DEFAULT 0,  -- 1: the count cannot be explained by what is known
    useless_relists       INTEGER NOT NULL DEFAULT 0,  -- listings in a row that the count led to for nothing
    made_at         INTEGER NOT NULL DEFAULT 0,  -- when it was made from here; 0: it was not
    listed_at       INTEGER,            -- when that listing was complete; NULL: never
    seen            INTEGER NOT NULL DEFAULT 0,  -- the last listing of albums that had it
    missed          INTEGER NOT NULL DEFAULT 0   -- 1: the last complete one did not
) STRICT;
CREATE INDEX albums_title ON albums (title);
CREATE INDEX albums_wanted ON albums (dir) WHERE wanted IS NOT NULL;

-- Titles that Google's lists may go on showing for a while, because albums were renamed from here.
CREATE TABLE former_titles (
    dir     INTEGER NOT NULL REFERENCES albums(dir) ON DELETE CASCADE,
    title   TEXT NOT NULL,
    left_at INTEGER NOT NULL,           -- when Google took another one
    PRIMARY KEY (dir, title)
) STRICT, WITHOUT ROWID;

CREATE TABLE files (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    size        INTEGER,                -- bytes of what was written here, or is taken for it; NULL: of no such thing
    rendition   INTEGER,                -- bytes of what Google gives out of the item; NULL: not known yet
    mtime_ns    INTEGER NOT NULL,       -- nanoseconds since 1970
    ctime_ns    INTEGER,                -- last change of bytes, times or names here; NULL: mtime_ns
    atime_ns    INTEGER,                -- as somebody has set it; NULL: mtime_ns
    sha256      BLOB,                   -- of the bytes written here; NULL: not known
    sha1        BLOB,                   -- likewise; what Google checks an upload against
    adopted     BLOB,                   -- sha256 of a local file that is taken for the item: likely, not proven
    known       BLOB AS (coalesce(sha256, adopted)),  -- bytes that are not to be sent again
    media       TEXT UNIQUE,            -- Google's id once there is one
    confirmed   INTEGER NOT NULL DEFAULT 0,  -- 1: a later read has resolved that id
    filename    TEXT,                   -- Google's, fixed at creation
    mime        TEXT,
    description TEXT,
    product_url TEXT,
    created_at  INTEGER,
    width       INTEGER,
    height      INTEGER,
    make        TEXT,
    model       TEXT,
    video       INTEGER,                -- NULL photo; 0 unspecified, 1 processing, 2 ready, 3 failed
    listed_at   INTEGER,                -- when a listing first showed it; NULL: it was made here
    merged_into INTEGER                 -- same bytes as that file, which has taken over its names
) STRICT;
CREATE INDEX files_known ON files (known) WHERE known IS NOT NULL;
CREATE INDEX files_by_date ON files (created_at) WHERE media IS NOT NULL;

CREATE TABLE entries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    dir     INTEGER NOT NULL REFERENCES dirs(id),
    name    BLOB NOT NULL,
    file    INTEGER NOT NULL REFERENCES files(id),
    UNIQUE (dir, name)
) STRICT;
CREATE INDEX entries_in_order ON entries (dir, id);
CREATE INDEX entries_of_file ON entries (file, dir);

-- Tools, and the kernel's cache of listings, take a directory whose time has not changed for unchanged.
CREATE VIEW names_changed (dir) AS SELECT id FROM dirs;
CREATE TRIGGER names_changed INSTEAD OF INSERT ON names_changed BEGIN
    UPDATE dirs SET names_changed_ns = max(names_changed_ns + 1, CAST(unixepoch('subsec') * 1000000000 AS INTEGER))
    WHERE id = new.dir;
END;
CREATE TRIGGER name_came AFTER INSERT ON entries BEGIN
    INSERT INTO names_changed VALUES (new.dir);
END;
CREATE TRIGGER name_went AFTER DELETE ON entries BEGIN
    INSERT INTO names_changed VALUES (old.dir);
END;
CREATE TRIGGER name_moved AFTER UPDATE OF dir, name, file ON entries BEGIN
    INSERT INTO names_changed VALUES (old.dir), (new.dir);
END;
CREATE TRIGGER dir_came AFTER INSERT ON dirs BEGIN
    INSERT INTO names_changed SELECT new.id UNION SELECT new.parent WHERE new.shown;
END;
-- Of a directory that moves, `..` changes.
CREATE TRIGGER dir_moved AFTER UPDATE OF parent, name, shown ON dirs BEGIN
    INSERT INTO names_changed SELECT old.parent WHERE old.shown UNION SELECT new.parent WHERE new.shown
        UNION SELECT new.id WHERE old.parent <> new.parent;
END;

CREATE TABLE members (
    dir     INTEGER NOT NULL REFERENCES dirs(id),
    file    INTEGER NOT NULL REFERENCES files(id),
    want    INTEGER NOT NULL,           -- 1: the file has a name there
    present INTEGER NOT NULL,           -- at Google: 0 no, 1 yes, 2 asked for, answer not known
    since   INTEGER NOT NULL,           -- when it came into this state
    seen    INTEGER NOT NULL DEFAULT 0, -- the last listing of the album that had it; 0: none
    missed  INTEGER NOT NULL DEFAULT 0, -- 1: the last complete one did not, and another is to confirm that
    PRIMARY KEY (dir, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_to_do ON members (since) WHERE want <> present;
CREATE INDEX members_of_file ON members (file);

-- The journal: one row for each file whose bytes Google does not hold for certain.
CREATE TABLE uploads (
    file        INTEGER PRIMARY KEY REFERENCES files(id),
    state       INTEGER NOT NULL,       -- upload::state: 0 open, 1 scratch, 2 sealed, 3 uploaded, 4 creating, 5 confirming, 6 failed, 7 unseen
    seq         INTEGER,                -- order of closing; NULL until first sealed
    session     TEXT,                   -- resumable upload session, JSON
    token       TEXT,                   -- upload token, good for one day from token_at
    token_at    INTEGER,
    dir         INTEGER,                -- creating: the album the call names
    call        INTEGER,                -- creating: files of one batchCreate share it
    asked       INTEGER,                -- the first call for it without an answer: it may be an item since
    attempts    INTEGER NOT NULL DEFAULT 0,
    alone       INTEGER NOT NULL DEFAULT 0,  -- 1: to be created in a call of its own
    lost        INTEGER NOT NULL DEFAULT 0,  -- how often Google made an item that then was not there
    retry_at    INTEGER,                -- not before
    error       TEXT,                   -- the last failure; for state failed the reason
    base        BLOB,                   -- sha256 of the content that an edit began with
    replaces    INTEGER REFERENCES files(id)  -- the version whose place it takes when committed
) STRICT;
CREATE UNIQUE INDEX uploads_in_order ON uploads (seq) WHERE seq IS NOT NULL;
CREATE INDEX uploads_by_state ON uploads (state, seq);
CREATE INDEX uploads_waiting ON uploads (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX uploads_replacing ON uploads (replaces) WHERE replaces IS NOT NULL;

-- Names of files that Google refused for good; shown under .gphotos/failed.
CREATE TABLE failed (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    dir     INTEGER NOT NULL REFERENCES dirs(id),
    name    BLOB NOT NULL,
    file    INTEGER NOT NULL REFERENCES files(id),
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    unfinished INTEGER NOT NULL DEFAULT 0,  -- 1: its writer never came to close it; a file that is closed under the name ends it
    UNIQUE (dir, name)
) STRICT;
CREATE INDEX failed_of_file ON failed (file);

-- The directories under .gphotos/library that somebody has looked into, by View::number.
CREATE TABLE views (
    view        INTEGER PRIMARY KEY,
    listed_at   INTEGER,                -- when that listing was complete; NULL: never
    listing     INTEGER NOT NULL DEFAULT 0,  -- its number
    requests    INTEGER NOT NULL DEFAULT 0,  -- that it took
    behind      INTEGER NOT NULL DEFAULT 0   -- 1: what is known here has not been gone through since
) STRICT;

-- Names in those directories: of what Google showed there, and of what is known to be of that date.
CREATE TABLE view_entries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    view    INTEGER NOT NULL REFERENCES views(view),
    file    INTEGER NOT NULL REFERENCES files(id),
    name    BLOB,                       -- NULL: Google showed it there once, and does not any more
    seen    INTEGER NOT NULL,           -- the last listing of the view that had it; 0: none
    UNIQUE (view, name),
    UNIQUE (file, view)
) STRICT;
CREATE INDEX view_entries_in_order ON view_entries (view, id);

-- Items that have arrived in a view's period since it was looked into, and that it does not show yet.
CREATE TABLE view_arrivals (
    view    INTEGER NOT NULL REFERENCES views(view),
    file    INTEGER NOT NULL REFERENCES files(id),
    PRIMARY KEY (view, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX view_arrivals_of_file ON view_arrivals (file);

-- Single values: the request budget, when albums were last listed, ...
CREATE TABLE meta (
    key     TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
