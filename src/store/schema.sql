-- The state that outlives the process. ARCHITECTURE.md tells the same story in prose.
--
-- A *file* has bytes and a history; an *entry* is a name for it in a directory; a *member* says
-- whether the file belongs into that directory's album, and whether Google has it there. Names are
-- ours alone. Membership is reconciled with Google: a row whose desired and observed state differ is
-- pending. Row numbers are never reused: they are inode numbers and directory offsets. Times are
-- milliseconds since 1970 unless the column's name says otherwise.
--
-- The tables come first, then the views that say what a query is about. Queries use the views
-- instead of repeating their conditions. One module in tables/ writes each table.

CREATE TABLE dirs (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    parent  INTEGER NOT NULL REFERENCES dirs(id),
    name    BLOB NOT NULL,              -- safe, and unique in its parent
    shown   INTEGER NOT NULL DEFAULT 1, -- 0: an album hidden by rmdir, or a parent without shown children
    local   INTEGER NOT NULL DEFAULT 0, -- 1: a local directory for temporary files: no album, its files stay here
    withheld INTEGER NOT NULL DEFAULT 0, -- permission bits that its mode keeps from the group and from others
    names_changed_ns INTEGER NOT NULL DEFAULT 0, -- when a name in it last came or went, or a program set its time, nanoseconds since 1970; only grows
    quality TEXT,                       -- in which photos below it are uploaded; NULL: as its parent, or as the mount says
    mtime_ns INTEGER,                   -- that a program has set since then; NULL: none
    UNIQUE (parent, name)
) STRICT;
CREATE INDEX dirs_quality ON dirs (quality) WHERE quality IS NOT NULL;
INSERT INTO dirs (id, parent, name, names_changed_ns)
    VALUES (1, 1, x'', now_ns());

CREATE TABLE albums (
    dir             INTEGER PRIMARY KEY REFERENCES dirs(id),
    remote          TEXT UNIQUE,        -- NULL: the creation has no answer yet
    title           TEXT NOT NULL,      -- at Google
    desired_title   TEXT,               -- the title to give it there; NULL: the one it has
    conflict_name       INTEGER NOT NULL DEFAULT 0,  -- 1: another entry has the name of its title
    hidden          INTEGER NOT NULL DEFAULT 0,  -- 1: rmdir was asked for; Google cannot delete albums
    count_hint      INTEGER NOT NULL DEFAULT 0,  -- mediaItemsCount as last reported
    described_at         INTEGER NOT NULL DEFAULT 0,  -- when Google last described the album
    count_offset          INTEGER NOT NULL DEFAULT 0,  -- items that the count includes and listings never show
    offset_count          INTEGER NOT NULL DEFAULT 0,  -- the count that it was learnt from
    count_mismatch         INTEGER NOT NULL DEFAULT 0,  -- 1: known items do not explain the count
    useless_relists       INTEGER NOT NULL DEFAULT 0,  -- listings in a row that the count caused in vain
    made_at         INTEGER NOT NULL DEFAULT 0,  -- when it was created here; 0: it was not
    listed_at       INTEGER,            -- when the last complete listing began; NULL: never
    seen            INTEGER NOT NULL DEFAULT 0,  -- the last listing of albums that had it
    missed          INTEGER NOT NULL DEFAULT 0   -- 1: the last complete one did not, and only Google's answer about it decides
) STRICT;
CREATE INDEX albums_title ON albums (title);
CREATE INDEX albums_to_rename ON albums (dir) WHERE desired_title IS NOT NULL;

-- Titles that Google's lists may show for a while after a rename made here.
CREATE TABLE former_titles (
    dir     INTEGER NOT NULL REFERENCES albums(dir) ON DELETE CASCADE,
    title   TEXT NOT NULL,
    left_at INTEGER NOT NULL,           -- when Google took its successor
    PRIMARY KEY (dir, title)
) STRICT, WITHOUT ROWID;

CREATE TABLE files (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    size        INTEGER,                -- of the bytes written or adopted here; NULL: there are none
    rendition   INTEGER,                -- size of the rendition that Google serves; NULL: not known yet
    mtime_ns    INTEGER NOT NULL,       -- nanoseconds since 1970
    ctime_ns    INTEGER,                -- last change of bytes, times or names here; NULL: mtime_ns
    atime_ns    INTEGER,                -- set by a user; NULL: mtime_ns
    sha256      BLOB,                   -- of the bytes written here; NULL: not known
    sha1        BLOB,                   -- likewise; Google checks an upload against it
    adopted     BLOB,                   -- sha256 of a local file that counts as the original: likely, not proven
    known       BLOB AS (coalesce(sha256, adopted)),  -- bytes that need not be uploaded again
    media       TEXT UNIQUE,            -- Google's id once there is one
    picked      TEXT UNIQUE,            -- the Picker API's id of an item that the user has picked; it has no other id
    confirmed   INTEGER NOT NULL DEFAULT 0,  -- 1: a later read has confirmed that id
    filename    TEXT,                   -- Google's, fixed at creation
    mime        TEXT,
    description TEXT,
    product_url TEXT,
    created_at  INTEGER,
    width       INTEGER,
    height      INTEGER,
    make        TEXT,
    model       TEXT,
    video       TEXT CHECK (video IN ('unspecified', 'processing', 'ready', 'failed')),  -- NULL: a photo
    listed_after INTEGER,               -- the last call that had begun when a listing first showed it, or 0; NULL: it was created here
    withheld    INTEGER NOT NULL DEFAULT 0,  -- permission bits that its mode keeps from the group and from others
    merged_into INTEGER,                -- the duplicate that has taken over its names
    cut_off     INTEGER NOT NULL DEFAULT 0, -- 1: the bytes written here look cut off
    quality     TEXT,                   -- the quality for which its bytes were looked at; NULL: they go as they are
    whole       TEXT,                   -- why they go as they are nevertheless: a word of shrink::Whole
    sent_size   INTEGER,                -- of the smaller copy that goes to Google; NULL: the bytes themselves go
    sent_sha256 BLOB,                   -- likewise
    sent_sha1   BLOB                    -- likewise
) STRICT;
CREATE INDEX files_cut_off ON files (id) WHERE cut_off;
CREATE INDEX files_known ON files (known) WHERE known IS NOT NULL;
-- A duplicate must not show to others what its mode keeps from them.
CREATE TRIGGER merged AFTER UPDATE OF merged_into ON files WHEN new.merged_into IS NOT NULL AND new.withheld <> 0 BEGIN
    UPDATE files SET withheld = withheld | new.withheld WHERE id = new.merged_into;
END;
CREATE TRIGGER merged_cut_off AFTER UPDATE OF merged_into ON files WHEN new.merged_into IS NOT NULL AND new.cut_off BEGIN
    UPDATE files SET cut_off = 1 WHERE id = new.merged_into;
END;
CREATE INDEX files_by_date ON files (created_at) WHERE media IS NOT NULL;
CREATE INDEX files_sent ON files (sent_sha256) WHERE sent_sha256 IS NOT NULL;

-- What smaller copies have saved: the sums of all files whose item Google has, and whose bytes were looked at for a quality.
CREATE TABLE saved (
    outcome TEXT PRIMARY KEY,           -- why they went as they are, as files.whole; 'smaller': they did not
    files   INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    sent    INTEGER NOT NULL            -- the bytes of the smaller copies; 0: none
) STRICT, WITHOUT ROWID;
-- A change of these sums: 1 file more, or -1.
CREATE VIEW saved_changes (outcome, files, bytes, sent) AS SELECT outcome, files, bytes, sent FROM saved;
CREATE TRIGGER saved_change INSTEAD OF INSERT ON saved_changes BEGIN
    INSERT INTO saved (outcome, files, bytes, sent)
        VALUES (coalesce(new.outcome, 'smaller'), new.files, coalesce(new.files * new.bytes, 0), coalesce(new.files * new.sent, 0))
        ON CONFLICT (outcome) DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes, sent = sent + excluded.sent;
END;
CREATE TRIGGER saved_insert AFTER INSERT ON files WHEN new.quality IS NOT NULL AND new.media IS NOT NULL BEGIN
    INSERT INTO saved_changes VALUES (new.whole, 1, new.size, new.sent_size);
END;
CREATE TRIGGER saved_delete AFTER DELETE ON files WHEN old.quality IS NOT NULL AND old.media IS NOT NULL BEGIN
    INSERT INTO saved_changes VALUES (old.whole, -1, old.size, old.sent_size);
END;
CREATE TRIGGER saved_no_more AFTER UPDATE OF quality, whole, media, size, sent_size ON files
WHEN old.quality IS NOT NULL AND old.media IS NOT NULL BEGIN
    INSERT INTO saved_changes VALUES (old.whole, -1, old.size, old.sent_size);
END;
CREATE TRIGGER saved_now AFTER UPDATE OF quality, whole, media, size, sent_size ON files
WHEN new.quality IS NOT NULL AND new.media IS NOT NULL BEGIN
    INSERT INTO saved_changes VALUES (new.whole, 1, new.size, new.sent_size);
END;

CREATE TABLE entries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    dir     INTEGER NOT NULL REFERENCES dirs(id),
    name    BLOB NOT NULL,
    file    INTEGER NOT NULL REFERENCES files(id),
    UNIQUE (dir, name)
) STRICT;
CREATE INDEX entries_in_order ON entries (dir, id);
CREATE INDEX entries_of_file ON entries (file, dir);

-- Tools and the kernel's directory cache compare the time: each change of names must give a later one.
CREATE VIEW names_changed (dir) AS SELECT id FROM dirs;
CREATE TRIGGER names_changed INSTEAD OF INSERT ON names_changed BEGIN
    UPDATE dirs SET names_changed_ns = max(names_changed_ns + 1, now_ns()), mtime_ns = NULL
    WHERE id = new.dir;
END;
CREATE TRIGGER name_came AFTER INSERT ON entries BEGIN
    INSERT INTO names_changed VALUES (new.dir);
END;
CREATE TRIGGER name_went AFTER DELETE ON entries BEGIN
    INSERT INTO names_changed VALUES (old.dir);
END;
CREATE TRIGGER name_moved AFTER UPDATE OF dir, name ON entries BEGIN
    INSERT INTO names_changed VALUES (old.dir), (new.dir);
END;
-- No program has changed the directory: a time that one has set stays.
CREATE TRIGGER name_merged AFTER UPDATE OF file ON entries WHEN old.dir = new.dir AND old.name = new.name BEGIN
    UPDATE dirs SET names_changed_ns = max(names_changed_ns + 1, now_ns()) WHERE id = new.dir;
END;
CREATE TRIGGER dir_came AFTER INSERT ON dirs BEGIN
    INSERT INTO names_changed SELECT new.id UNION SELECT new.parent WHERE new.shown;
END;
-- A directory that moves gets another `..`.
CREATE TRIGGER dir_moved AFTER UPDATE OF parent, name, shown ON dirs BEGIN
    INSERT INTO names_changed SELECT old.parent WHERE old.shown UNION SELECT new.parent WHERE new.shown
        UNION SELECT new.id WHERE old.parent <> new.parent;
END;

CREATE TABLE members (
    dir      INTEGER NOT NULL REFERENCES dirs(id),
    file     INTEGER NOT NULL REFERENCES files(id),
    desired  INTEGER NOT NULL,           -- 1: the file has a name there
    observed TEXT NOT NULL CHECK (observed IN ('absent', 'present', 'unknown')),  -- at Google; unknown: asked for, no answer yet
    pending  TEXT GENERATED ALWAYS AS (CASE
        WHEN desired AND observed <> 'present' THEN 'addition'
        WHEN NOT desired AND observed <> 'absent' THEN 'removal' END) VIRTUAL,
    since    INTEGER NOT NULL,           -- when it came into this state; 0: a listing showed it
    seen     INTEGER NOT NULL DEFAULT 0, -- the last listing of the album that had it; 0: none
    missed   INTEGER NOT NULL DEFAULT 0, -- 1: the last complete one did not, and something else must confirm that
    PRIMARY KEY (dir, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_pending ON members (pending, since) WHERE pending IS NOT NULL;
CREATE INDEX members_of_file ON members (file);

-- Names in albums that went because Google does not show the item there any more. They come back when it does. Both ids are
-- Google's: the file keeps its row, with its times, size and hash.
CREATE TABLE tombstones (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    album   TEXT NOT NULL,
    media   TEXT NOT NULL,
    name    BLOB,                       -- NULL: the item was about to be removed from the album
    at      INTEGER NOT NULL            -- when it went
) STRICT;
CREATE INDEX tombstones_of_item ON tombstones (album, media, id);
CREATE INDEX tombstones_by_age ON tombstones (at);

-- Albums that Google does not have any more, likewise.
CREATE TABLE album_tombstones (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    remote  TEXT NOT NULL UNIQUE,
    dir     INTEGER NOT NULL REFERENCES dirs(id),
    title   TEXT NOT NULL,
    desired_title TEXT,
    hidden  INTEGER NOT NULL,
    at      INTEGER NOT NULL            -- when it went
) STRICT;
CREATE INDEX album_tombstones_by_age ON album_tombstones (at);
CREATE INDEX album_tombstones_titled ON album_tombstones (title);

-- The journal: one row for each file whose bytes Google does not hold for certain.
CREATE TABLE uploads (
    file        INTEGER PRIMARY KEY REFERENCES files(id),
    state       TEXT NOT NULL CHECK (state IN  -- UploadState; scratch: a closed file that stays here
        ('open', 'scratch', 'sealed', 'uploaded', 'creating', 'confirming', 'failed', 'unseen')),
    stays_here  TEXT CHECK (stays_here IN ('temporary', 'empty', 'junk', 'sidecar')),  -- scratch: the LocalReason
    seq         INTEGER,                -- order of closing; NULL until first sealed
    session     TEXT,                   -- resumable upload session, JSON
    token       TEXT,                   -- upload token, good for one day from token_at
    token_at    INTEGER,
    dir         INTEGER,                -- creating: the album the call names
    call        INTEGER,                -- creating: files of one batchCreate share it
    first_call  INTEGER,                -- the first call for it without an answer: Google may have made the item
    attempts    INTEGER NOT NULL DEFAULT 0,  -- failures
    own_failures INTEGER NOT NULL DEFAULT 0, -- those of them while other files succeeded
    failing_since INTEGER,              -- when it first failed; NULL: it has not
    isolate     INTEGER NOT NULL DEFAULT 0,  -- 1: needs a call of its own
    lost        INTEGER NOT NULL DEFAULT 0,  -- how often Google lost the item
    made        TEXT,                   -- confirming: the answered id, if Google had it before the call
    claimed_at  INTEGER NOT NULL DEFAULT 0,  -- when the file was closed, or Google answered
    listing_before INTEGER NOT NULL DEFAULT 0,  -- listings up to this one began before the close or the answer: no proof
    retry_at    INTEGER,                -- not before
    error       TEXT,                   -- the last failure, or the reason of the refusal
    write_errno INTEGER,                -- scratch, failed: the error number of a write that failed; NULL: none did
    missing_from INTEGER,               -- the first byte that is missing for that
    missing_to  INTEGER,                -- the byte after the last such one
    base        BLOB,                   -- sha256 of the content that an edit began with
    replaces    INTEGER REFERENCES files(id)  -- the old version that it replaces when it has arrived
) STRICT;
CREATE UNIQUE INDEX uploads_in_order ON uploads (seq) WHERE seq IS NOT NULL;
CREATE INDEX uploads_by_state ON uploads (state, seq);
CREATE INDEX uploads_waiting ON uploads (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX uploads_failing ON uploads (failing_since) WHERE failing_since IS NOT NULL;
CREATE INDEX uploads_made ON uploads (made) WHERE made IS NOT NULL;
CREATE INDEX uploads_replacing ON uploads (replaces) WHERE replaces IS NOT NULL;

-- Names of files that Google has refused for good, shown under .gphotos/failed.
CREATE TABLE failed (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    dir     INTEGER NOT NULL REFERENCES dirs(id),
    name    BLOB NOT NULL,
    file    INTEGER NOT NULL REFERENCES files(id),
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    unfinished INTEGER NOT NULL DEFAULT 0,  -- 1: its writer never closed it; the next file closed under the name removes the row
    UNIQUE (dir, name)
) STRICT;
CREATE INDEX failed_of_file ON failed (file);

-- The directories under .gphotos/library that were read, by View::number.
CREATE TABLE views (
    view        INTEGER PRIMARY KEY,    -- 0 all items; 1 to 3 the lists of years, months, days; else yyyymmdd, 00 for an open part
    span        TEXT GENERATED ALWAYS AS (CASE WHEN view < 10000 THEN NULL
        WHEN view % 10000 = 0 THEN 'year' WHEN view % 100 = 0 THEN 'month' ELSE 'day' END) VIRTUAL,
    listed_at   INTEGER,                -- when the last complete listing began; NULL: never
    listing     INTEGER NOT NULL DEFAULT 0,  -- its number
    requests    INTEGER NOT NULL DEFAULT 0,  -- requests it took
    behind      INTEGER NOT NULL DEFAULT 0   -- 1: known items have not been gone through since
) STRICT;

-- Names in those directories: of items that Google showed there, and of known items of that date.
CREATE TABLE view_entries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    view    INTEGER NOT NULL REFERENCES views(view),
    file    INTEGER NOT NULL REFERENCES files(id),
    name    BLOB,                       -- NULL: Google does not show it there any more
    seen    INTEGER NOT NULL,           -- the last listing of the view that had it; 0: none
    UNIQUE (view, name),
    UNIQUE (file, view)
) STRICT;
CREATE INDEX view_entries_in_order ON view_entries (view, id);

-- Items that have arrived in a view's period since it was read and that it does not show yet.
CREATE TABLE view_arrivals (
    view    INTEGER NOT NULL REFERENCES views(view),
    file    INTEGER NOT NULL REFERENCES files(id),
    PRIMARY KEY (view, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX view_arrivals_of_file ON view_arrivals (file);

-- What the user has picked from all of Google Photos, under .gphotos/picked. `gphotosfs pick` writes these tables, also
-- beside a mount, in transactions of its own.
CREATE TABLE picks (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    BLOB NOT NULL UNIQUE,
    names_changed_ns INTEGER NOT NULL   -- when a name in it last came or went, nanoseconds since 1970; only grows
) STRICT;

-- Sessions at Google, through which the bytes of picked items can be read until they end.
CREATE TABLE picker_sessions (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    remote  TEXT NOT NULL UNIQUE,
    pick    INTEGER REFERENCES picks(id) ON DELETE SET NULL,  -- NULL: a command waits for the user, or (listed) to be deleted at Google
    expires_at INTEGER NOT NULL,
    listed  INTEGER NOT NULL DEFAULT 0  -- 1: all of its items are in the pick
) STRICT;

CREATE TABLE pick_entries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    pick    INTEGER NOT NULL REFERENCES picks(id),
    file    INTEGER NOT NULL REFERENCES files(id),
    name    BLOB NOT NULL,
    session INTEGER REFERENCES picker_sessions(id) ON DELETE SET NULL,  -- the last one that has shown it; NULL: it has ended
    UNIQUE (pick, name),
    UNIQUE (file, pick)
) STRICT;
CREATE INDEX pick_entries_in_order ON pick_entries (pick, id);
CREATE INDEX pick_entries_of_session ON pick_entries (session) WHERE session IS NOT NULL;

-- Single values: the request budget, when albums were last listed, ...
CREATE TABLE meta (
    key     TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- All directories but the root, which stands in itself.
CREATE VIEW subdirs AS SELECT * FROM dirs WHERE id <> 1;

-- The directories that a listing shows.
CREATE VIEW shown_dirs AS SELECT * FROM subdirs WHERE shown;

-- Items that Google certainly has, with nothing under way for them.
CREATE VIEW committed_files AS
    SELECT * FROM files f
    WHERE f.media IS NOT NULL AND NOT EXISTS (SELECT 1 FROM uploads WHERE file = f.id);

-- Items that Google has shown since they were made. The bytes of some are still here.
CREATE VIEW arrived_files AS
    SELECT * FROM files f
    WHERE f.media IS NOT NULL AND f.confirmed AND NOT EXISTS (
        SELECT 1 FROM uploads u WHERE u.file = f.id AND u.state <> 'unseen');

-- Names of files that Google has, or will have, and whose bytes look cut off. The last file comes last.
CREATE VIEW cut_off_names AS
    SELECT f.id AS file, e.dir, e.name FROM files f JOIN entries e ON e.file = f.id WHERE f.cut_off;

-- Items of the library: all known ones but those that the list of all items (view 0) has lost.
CREATE VIEW library_items AS
    SELECT * FROM files f
    WHERE f.media IS NOT NULL AND f.confirmed AND NOT EXISTS
        (SELECT 1 FROM view_entries lost WHERE lost.file = f.id AND lost.view = 0 AND lost.name IS NULL);

-- Items whose size nobody has learnt yet.
CREATE VIEW unsized_items AS
    SELECT * FROM files
    WHERE size IS NULL AND rendition IS NULL AND (media IS NOT NULL OR picked IS NOT NULL);

-- Members that a list of the album must show, unless it lags. The bytes of an unseen item are still here, although a later
-- list has shown it.
CREATE VIEW expected_members AS
    SELECT m.*, f.media FROM members m JOIN files f ON f.id = m.file LEFT JOIN uploads u ON u.file = m.file
    WHERE m.desired AND m.observed = 'present' AND f.confirmed AND f.media IS NOT NULL
    AND (u.file IS NULL OR (u.state = 'unseen' AND m.seen > u.listing_before));

-- The same, for named items that have arrived and that no later list has shown. Only Google's answer about the id decides
-- about them.
CREATE VIEW unseen_members AS
    SELECT m.*, f.media FROM members m JOIN files f ON f.id = m.file JOIN uploads u ON u.file = m.file
    WHERE m.desired AND m.observed = 'present' AND f.confirmed
    AND u.state = 'unseen' AND m.seen <= u.listing_before
    AND EXISTS (SELECT 1 FROM entries e WHERE e.file = m.file);

-- Albums that the list of albums does not show any more, and that nothing is on its way into: no bytes, and no wish that
-- Google has not answered. Files that stay here for good are on no way. An unseen item has arrived.
CREATE VIEW missing_albums AS
    SELECT * FROM albums a WHERE a.missed AND a.remote IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM members m JOIN files f ON f.id = m.file LEFT JOIN uploads u ON u.file = m.file
        WHERE m.dir = a.dir AND CASE
            WHEN u.state = 'scratch' THEN u.stays_here NOT IN ('junk', 'sidecar')
            WHEN u.state IS NULL OR (u.state = 'unseen' AND f.confirmed) THEN coalesce(m.pending = 'addition', FALSE)
            ELSE TRUE END);

-- Files without a name that Google never had, nor is being asked to make.
CREATE VIEW orphan_files AS
    SELECT u.file FROM uploads u JOIN files f ON f.id = u.file
    WHERE f.media IS NULL AND u.state <> 'creating'
    AND NOT EXISTS (SELECT 1 FROM entries WHERE file = u.file)
    AND NOT EXISTS (SELECT 1 FROM failed WHERE file = u.file)
    AND NOT EXISTS (SELECT 1 FROM members WHERE file = u.file);

-- Uploads with something left to do. An unseen item has arrived, only its bytes stay here.
CREATE VIEW unfinished_uploads AS SELECT * FROM uploads WHERE state <> 'unseen';

-- The journal with the facts that decide what to do next.
-- is_duplicate: Google has the same bytes from another file, or that file is wanted and ahead on its way, or an edit has
-- changed nothing: nothing is to be sent.
-- is_wanted: the file has a name in an album, or an item of it may be in one.
-- target: the album to create it in, for each wanted file. An album whose call has no answer comes first, to settle that;
-- else the one that it was put into first. If every album is thought to have it, it is created in one nevertheless: Google
-- answers equal bytes with the same item, and a file without a target would wait for ever.
CREATE VIEW upload_queue AS
    SELECT u.*, f.size, f.mime, f.sha1, f.sha256, f.media, f.filename, f.description,
        f.quality, f.whole, f.sent_size, f.sent_sha256, f.sent_sha1,
        f.sha256 IS NOT NULL AND EXISTS (
            SELECT 1 FROM files t LEFT JOIN uploads v ON v.file = t.id
            WHERE t.known = f.sha256 AND t.id <> f.id AND t.merged_into IS NULL
            AND CASE WHEN v.file IS NULL THEN t.media IS NOT NULL AND t.confirmed
                WHEN v.state = 'unseen' THEN t.confirmed
                WHEN v.state = 'uploaded' OR (v.state = 'sealed' AND v.seq < u.seq) THEN EXISTS
                    (SELECT 1 FROM members w WHERE w.file = t.id AND (w.desired OR w.observed = 'unknown'))
                ELSE v.state IN ('creating', 'confirming') END
            UNION ALL
            SELECT 1 FROM arrived_files o WHERE o.id = u.replaces AND u.base = f.sha256
        ) AS is_duplicate,
        EXISTS (
            SELECT 1 FROM members m WHERE m.file = u.file AND (m.desired OR m.observed = 'unknown')
        ) AS is_wanted,
        (
            SELECT m.dir FROM members m
            WHERE m.file = u.file AND (m.desired OR m.observed = 'unknown')
            ORDER BY m.observed = 'unknown' DESC, m.observed = 'present', m.since, m.dir LIMIT 1
        ) AS target
    FROM uploads u JOIN files f ON f.id = u.file;

-- Uploads that Google has still to get.
CREATE VIEW pending_uploads AS
    SELECT * FROM upload_queue
    WHERE state IN ('creating', 'confirming') OR (state IN ('sealed', 'uploaded') AND is_wanted);

-- Uploads of an item that Google keeps from us into a further album, when no album is left that lacks it: a call for
-- another file has put it there, or its name there has gone. What Google says of the item decides, as after a creation.
CREATE VIEW needless_uploads AS
    SELECT u.file, u.made FROM uploads u JOIN files f ON f.id = u.file
    WHERE u.made IS NOT NULL AND u.made = f.media AND u.state IN ('sealed', 'uploaded')
    AND NOT EXISTS (SELECT 1 FROM members m
        WHERE m.file = u.file AND (m.observed = 'unknown' OR m.pending = 'addition'));

-- Memberships that say that Google has an item of a file, although it has none of it: there must be none.
CREATE VIEW unfounded_members AS
    SELECT m.dir, m.file FROM uploads u JOIN files f ON f.id = u.file JOIN members m ON m.file = u.file
    WHERE u.state IN ('open', 'scratch', 'sealed', 'uploaded', 'creating', 'failed')
    AND f.media IS NULL AND m.observed = 'present';

-- Memberships that can be changed at Google now: the item is there, and so is the album.
CREATE VIEW pending_memberships AS
    SELECT m.* FROM members m JOIN files f ON f.id = m.file JOIN albums a ON a.dir = m.dir
    WHERE m.pending IS NOT NULL AND f.media IS NOT NULL AND a.remote IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM unfinished_uploads u WHERE u.file = m.file);

-- Sealed files with the bytes of an item that has arrived. An edit that changed nothing is a duplicate of its old version.
CREATE VIEW sealed_duplicates AS
    SELECT u.file, u.seq, coalesce(
        (SELECT o.id FROM arrived_files o WHERE o.id = u.replaces AND (o.known = f.sha256 OR u.base = f.sha256)),
        (SELECT c.id FROM arrived_files c
            WHERE c.known = f.sha256 AND c.id <> f.id AND c.merged_into IS NULL ORDER BY c.id LIMIT 1)
    ) AS item_of
    FROM uploads u JOIN files f ON f.id = u.file
    WHERE u.state = 'sealed' AND f.sha256 IS NOT NULL;

-- Items to add to albums: a file's own, or that of another file with the same bytes. One equation says which, so that
-- SQLite looks the item up instead of trying each file of the library.
CREATE VIEW pending_additions AS
    SELECT m.dir, m.file, m.since, a.remote AS album, u.seq, u.state, t.id AS item_of, t.media
    FROM members m JOIN albums a ON a.dir = m.dir
    LEFT JOIN uploads u ON u.file = m.file
    JOIN files t ON t.id = CASE
        WHEN u.state IS NULL OR u.state = 'unseen' THEN m.file
        WHEN u.state = 'sealed' THEN (SELECT d.item_of FROM sealed_duplicates d WHERE d.file = m.file) END
    WHERE m.pending = 'addition' AND t.media IS NOT NULL AND a.remote IS NOT NULL
    AND NOT EXISTS
        (SELECT 1 FROM members n WHERE n.dir = m.dir AND n.file = t.id AND n.observed = 'present');

-- Items to remove from albums. One that a file on its way may turn out to be stays until that is settled.
CREATE VIEW pending_removals AS
    SELECT m.dir, m.file, m.since, a.remote AS album, u.seq, u.state, m.file AS item_of, t.media
    FROM members m JOIN files t ON t.id = m.file JOIN albums a ON a.dir = m.dir
    LEFT JOIN uploads u ON u.file = m.file
    WHERE m.pending = 'removal' AND t.media IS NOT NULL AND a.remote IS NOT NULL
    AND (u.state IS NULL OR u.state = 'unseen')
    AND NOT EXISTS (SELECT 1 FROM uploads c WHERE c.made = t.media AND c.state = 'confirming' AND c.file <> m.file)
    AND NOT EXISTS (
        SELECT 1 FROM files f JOIN uploads c ON c.file = f.id JOIN members w ON w.file = f.id
        WHERE f.known = t.known AND f.id <> m.file AND c.state = 'sealed' AND w.dir = m.dir AND w.desired);

-- Sealed files whose bytes are those of an item that is in all the albums where they belong.
CREATE VIEW arrived_duplicates AS
    SELECT d.file, d.seq, t.id AS item_of, t.media
    FROM sealed_duplicates d JOIN files t ON t.id = d.item_of
    WHERE EXISTS (SELECT 1 FROM members m WHERE m.file = d.file AND m.desired)
    AND NOT EXISTS (SELECT 1 FROM members m WHERE m.file = d.file AND m.desired AND NOT EXISTS
        (SELECT 1 FROM members n WHERE n.dir = m.dir AND n.file = t.id AND n.observed = 'present'));

-- Files whose bytes stay here until a listing proves that Google has the item, one row for each album concerned.
-- kind: a new item; an id that Google had before the call (known); a duplicate; an arrived item whose bytes are still
-- here (unseen).
-- is_wanted: somebody may read the bytes. An old version has no name, but may get one back.
-- is_shown: a listing of the album that began later has shown the item, or another upload keeps the same bytes here.
-- is_missed: a listing should have shown the arrived item, and has not.
CREATE VIEW claims AS
    SELECT c.*, u.state, u.attempts, u.lost, u.retry_at, u.claimed_at, t.media,
        EXISTS (SELECT 1 FROM members w WHERE w.file = c.file AND w.desired
            UNION ALL SELECT 1 FROM entries e WHERE e.file = c.file) AS is_wanted,
        coalesce(n.seen, 0) > u.listing_before OR (t.id <> f.id AND coalesce(t.sha256 = f.sha256, FALSE) AND EXISTS
            (SELECT 1 FROM uploads v WHERE v.file = t.id
                AND v.state IN ('sealed', 'uploaded', 'creating', 'confirming', 'unseen'))) AS is_shown,
        u.state = 'unseen' AND f.confirmed AND coalesce(n.missed, 0) AS is_missed
    FROM (
        SELECT u.file, u.seq, t.id AS item_of, m.dir,
            CASE WHEN u.state = 'unseen' THEN 'unseen' WHEN u.made IS NULL THEN 'new' ELSE 'known' END AS kind
        FROM uploads u JOIN files f ON f.id = u.file
        JOIN files t ON t.media = CASE WHEN u.state = 'confirming' THEN coalesce(u.made, f.media) ELSE f.media END
        LEFT JOIN members m ON m.file = u.file AND m.observed = 'present'
        WHERE u.state IN ('confirming', 'unseen')
        UNION ALL
        SELECT d.file, d.seq, d.item_of, m.dir, 'duplicate' AS kind
        FROM arrived_duplicates d JOIN members m ON m.file = d.file AND m.desired
    ) c
    JOIN uploads u ON u.file = c.file JOIN files f ON f.id = c.file JOIN files t ON t.id = c.item_of
    LEFT JOIN members n ON n.dir = c.dir AND n.file = c.item_of;

-- What a view by date shows.
CREATE VIEW shown_view_entries AS SELECT * FROM view_entries WHERE name IS NOT NULL;
