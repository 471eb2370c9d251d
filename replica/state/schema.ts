/**
 * The tables. Names are BLOBs compared byte by byte; times are two INTEGERs, since nanoseconds since 1970 pass 2^53;
 * every key is explicit, so that no row depends on the order in which SQLite met it.
 */

/** 'byzf': marks the file as ours (PRAGMA application_id). */
export const APPLICATION_ID = 0x62797a66;

/** Of the tables and of what operations do to them; also part of the digest (DESIGN: versions). */
export const SCHEMA_VERSION = 7;

/** Measured from 4 to 64 KiB: a 32 KiB row costs the same (50 µs); small rows in scattered pages favour small ones. */
export const PAGE_BYTES = 8192;

/** What the header has and no digest covers, as one number: a bit that flips in it is noticed when the state is opened. */
export const HEADER_SEAL = '3 * last_executed + 5 * tree_version + 7 * installed';

export const SCHEMA = `
  CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    cluster BLOB NOT NULL,
    last_executed INTEGER NOT NULL,
    clock_seconds INTEGER NOT NULL,
    clock_nanoseconds INTEGER NOT NULL,
    next_ino INTEGER NOT NULL,
    used_bytes INTEGER NOT NULL,
    used_inodes INTEGER NOT NULL,
    discarded_bytes INTEGER NOT NULL,
    clients_version INTEGER NOT NULL,
    -- The rows' sequence number when the partition tree was brought up to date.
    tree_version INTEGER NOT NULL,
    -- The checkpoint that the last state transfer brought; 0 if none.
    installed INTEGER NOT NULL,
    -- Of what no digest covers: see HEADER_SEAL.
    seal INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE inode (
    ino INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    nlink INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    rdev INTEGER NOT NULL,
    size INTEGER NOT NULL,
    allocated INTEGER NOT NULL,
    atime_seconds INTEGER NOT NULL,
    atime_nanoseconds INTEGER NOT NULL,
    mtime_seconds INTEGER NOT NULL,
    mtime_nanoseconds INTEGER NOT NULL,
    ctime_seconds INTEGER NOT NULL,
    ctime_nanoseconds INTEGER NOT NULL,
    change INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    next_cookie INTEGER NOT NULL,
    xattr_bytes INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    fork INTEGER NOT NULL,
    payer INTEGER NOT NULL
  ) STRICT;

  -- By the digest that stands for the name in the partition tree, so that a row is found by its key there.
  CREATE TABLE dentry (
    parent INTEGER NOT NULL,
    name_digest BLOB NOT NULL,
    name BLOB NOT NULL,
    child INTEGER NOT NULL,
    cookie INTEGER NOT NULL,
    PRIMARY KEY (parent, name_digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX dentry_by_cookie ON dentry (parent, cookie);
  CREATE INDEX dentry_by_child ON dentry (child, parent);

  CREATE TABLE block (
    fork INTEGER NOT NULL,
    position INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (fork, position)
  ) STRICT, WITHOUT ROWID;

  -- By the digest of its name, as a dentry.
  CREATE TABLE xattr (
    ino INTEGER NOT NULL,
    name_digest BLOB NOT NULL,
    name BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (ino, name_digest)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE discarded (
    fork INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE target (
    ino INTEGER PRIMARY KEY,
    path BLOB NOT NULL
  ) STRICT;

  CREATE TABLE orphan (
    client INTEGER NOT NULL,
    instance INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    claimed INTEGER NOT NULL,
    PRIMARY KEY (client, instance, ino)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE file_lock (
    ino INTEGER PRIMARY KEY,
    locks BLOB NOT NULL
  ) STRICT;

  CREATE TABLE lease (
    client INTEGER NOT NULL,
    instance INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    announced INTEGER NOT NULL,
    PRIMARY KEY (client, instance)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE session (
    client INTEGER NOT NULL,
    instance INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    opened_seconds INTEGER NOT NULL,
    opened_nanoseconds INTEGER NOT NULL,
    PRIMARY KEY (client, instance)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE slot (
    client INTEGER NOT NULL,
    instance INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    request_digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    durable_at INTEGER NOT NULL,
    result BLOB,
    PRIMARY KEY (client, instance, slot)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE ended_instance (
    client INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE client (
    id INTEGER PRIMARY KEY,
    content BLOB NOT NULL
  ) STRICT;

  -- What services keep that are not the file service, by the digest that stands for the key in the partition tree.
  CREATE TABLE record (
    key_digest BLOB PRIMARY KEY,
    key BLOB NOT NULL,
    value BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- content is null where a node was removed that a checkpoint still has.
  CREATE TABLE tree_node (
    id INTEGER PRIMARY KEY,
    prefix BLOB NOT NULL,
    version INTEGER NOT NULL,
    content BLOB,
    UNIQUE (prefix, version)
  ) STRICT;
  -- Nodes of which there are several versions, or none but the note of a removal, since that version.
  CREATE TABLE tree_node_superseded (
    version INTEGER NOT NULL,
    prefix BLOB NOT NULL,
    PRIMARY KEY (version, prefix)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE checkpoint (
    sequence INTEGER PRIMARY KEY
  ) STRICT;
  -- Rows as they were at a checkpoint, of those that changed before the next; content is null where there was none.
  CREATE TABLE row_image (
    checkpoint INTEGER NOT NULL,
    key BLOB NOT NULL,
    content BLOB,
    PRIMARY KEY (checkpoint, key)
  ) STRICT, WITHOUT ROWID;
`;
