//! The tables, as a list of steps; the database's `user_version` says how many of them it has taken.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// Takes every step that the database lacks, each in its own transaction.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let unopened = |source| StoreError::Unopened { path: path.to_owned(), source };
    loop {
        // Read inside the transaction: two commands may open a fresh database at the same moment.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unopened)?;
        let found = check_known(&transaction, path)?;
        let Some(step) = STEPS.get(usize::try_from(found).unwrap_or(0)) else {
            return Ok(());
        };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", found + 1)?;
        transaction.commit()?;
    }
}

/// How many steps a database has taken; 0: it is empty, or not one of ours.
///
/// # Errors
/// [`StoreError::Newer`] for one that has taken steps that are not known here.
pub(crate) fn check_known(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: i64 = found.map_err(|source| StoreError::Unopened { path: path.to_owned(), source })?;
    let known = STEPS.len() as i64;
    if found > known { Err(StoreError::Newer { path: path.to_owned(), found, known }) } else { Ok(found) }
}

/// Never edit a step that was released: append one, and to `ROWS` of the tests what a server writes by it.
const STEPS: &[&str] = &[
    // A domain is one row of `partners`, so that it is never both allowed and blocked.
    "CREATE TABLE users (
        aor TEXT PRIMARY KEY,
        password TEXT NOT NULL,
        ha1_sha256 BLOB NOT NULL CHECK (length(ha1_sha256) = 32),
        ha1_md5 BLOB NOT NULL CHECK (length(ha1_md5) = 16),
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE partners (
        domain TEXT PRIMARY KEY CHECK (domain = lower(domain)),
        kind TEXT NOT NULL CHECK (kind IN ('allowed-server', 'allowed-domain', 'blocked')),
        edge TEXT CHECK ((kind = 'allowed-server') = (edge IS NOT NULL)),
        comment TEXT NOT NULL,
        added INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE server (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE refusals (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL, -- milliseconds
        call_id TEXT NOT NULL,
        from_domain TEXT NOT NULL,
        to_domain TEXT NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX refusals_at ON refusals (at);
    CREATE INDEX refusals_call_id ON refusals (call_id);
    CREATE INDEX refusals_from_domain ON refusals (from_domain);
    CREATE INDEX refusals_to_domain ON refusals (to_domain);",
    // Messages for who is away; moments in milliseconds. `was_sent` is set before a message goes out and cleared when it
    // is known that nobody has it: what still has it after a crash may reach its device twice.
    "CREATE TABLE stored_messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        aor TEXT NOT NULL REFERENCES users (aor) ON DELETE CASCADE,
        accepted INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        was_sent INTEGER NOT NULL CHECK (was_sent IN (0, 1)),
        request BLOB NOT NULL
    ) STRICT;
    CREATE INDEX stored_messages_aor ON stored_messages (aor);
    CREATE INDEX stored_messages_expires ON stored_messages (expires);",
    // Moments in seconds. A meeting outlives its organiser's account: others are invited, and have to be told.
    "CREATE TABLE meetings (
        id TEXT PRIMARY KEY,
        organiser TEXT NOT NULL,
        ends INTEGER, -- NULL: the series has no end
        record TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX meetings_ends ON meetings (ends);",
    // Moments in milliseconds. A record is written when the call is answered, and replaced when it is over.
    "CREATE TABLE call_records (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        call_id TEXT NOT NULL,
        aor TEXT NOT NULL, -- a user of ours, or a meeting
        other TEXT NOT NULL,
        partner TEXT,
        began INTEGER NOT NULL,
        ended INTEGER, -- NULL: it is under way
        record TEXT NOT NULL,
        UNIQUE (call_id, aor, began)
    ) STRICT;
    CREATE INDEX call_records_aor ON call_records (aor, began);
    CREATE INDEX call_records_other ON call_records (other, began);
    CREATE INDEX call_records_partner ON call_records (partner, began);
    CREATE INDEX call_records_began ON call_records (began);
    CREATE INDEX call_records_ended ON call_records (ended);

    CREATE TABLE call_legs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        call_id TEXT NOT NULL,
        closed INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX call_legs_call_id ON call_legs (call_id);
    CREATE INDEX call_legs_closed ON call_legs (closed);",
    // Pinned certificates (SHA-256) and authorities of a domain's own (DER).
    "CREATE TABLE domain_trust (
        domain TEXT NOT NULL CHECK (domain = lower(domain)),
        kind TEXT NOT NULL CHECK (kind IN ('pin', 'anchor')),
        value BLOB NOT NULL CHECK (kind = 'anchor' OR length(value) = 32),
        added INTEGER NOT NULL,
        PRIMARY KEY (domain, kind, value)
    ) STRICT, WITHOUT ROWID;",
    // Discovered partners that tried names; `at` is their last fault, in milliseconds.
    "CREATE TABLE suspects (
        issuer TEXT NOT NULL,
        serial TEXT NOT NULL,
        at INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (issuer, serial)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX suspects_at ON suspects (at);",
    // The host of a provider's edge stands alone, since it is nobody else's.
    "ALTER TABLE partners ADD COLUMN monitored INTEGER NOT NULL DEFAULT 0 CHECK (monitored IN (0, 1));
    ALTER TABLE partners ADD COLUMN verification TEXT NOT NULL DEFAULT 'always-verifiable'
        CHECK (verification IN ('always-verifiable', 'always-unverifiable', 'use-source-verification'));
    ALTER TABLE partners ADD COLUMN modalities TEXT NOT NULL DEFAULT 'all';

    CREATE TABLE providers (
        name TEXT PRIMARY KEY,
        edge_host TEXT NOT NULL UNIQUE CHECK (edge_host = lower(edge_host)),
        record TEXT NOT NULL,
        added INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;",
    // One policy at most is given to a user and to a group; a user is in one group at most.
    "CREATE TABLE policies (
        name TEXT PRIMARY KEY,
        record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE group_policies (
        group_name TEXT PRIMARY KEY,
        policy TEXT NOT NULL REFERENCES policies (name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE user_access (
        aor TEXT PRIMARY KEY REFERENCES users (aor) ON DELETE CASCADE,
        policy TEXT REFERENCES policies (name),
        group_name TEXT
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE user_allows (
        aor TEXT NOT NULL REFERENCES users (aor) ON DELETE CASCADE,
        who TEXT NOT NULL CHECK (who = lower(who)),
        PRIMARY KEY (aor, who)
    ) STRICT, WITHOUT ROWID;",
    // Of a home: which state this is, for its edges. Of an edge: what its home told it last. One row each.
    "CREATE TABLE revision (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch TEXT NOT NULL,
        revision INTEGER NOT NULL,
        rules TEXT NOT NULL
    ) STRICT;
    INSERT INTO revision VALUES (1, lower(hex(randomblob(16))), 1, '');
    CREATE TRIGGER partners_added AFTER INSERT ON partners BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER partners_changed AFTER UPDATE ON partners BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER partners_removed AFTER DELETE ON partners BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER providers_added AFTER INSERT ON providers BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER providers_changed AFTER UPDATE ON providers BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER providers_removed AFTER DELETE ON providers BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER domain_trust_added AFTER INSERT ON domain_trust BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER domain_trust_changed AFTER UPDATE ON domain_trust BEGIN UPDATE revision SET revision = revision + 1; END;
    CREATE TRIGGER domain_trust_removed AFTER DELETE ON domain_trust BEGIN UPDATE revision SET revision = revision + 1; END;

    CREATE TABLE told (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch TEXT NOT NULL,
        revision INTEGER NOT NULL,
        home TEXT NOT NULL,
        at INTEGER NOT NULL,
        rules TEXT NOT NULL,
        pool_secret BLOB NOT NULL CHECK (length(pool_secret) = 32)
    ) STRICT;",
    "ALTER TABLE partners ADD COLUMN mark_source TEXT NOT NULL DEFAULT 'by-default'
        CHECK (mark_source IN ('by-default', 'always', 'never'));",
    // Certificates of partners, first and last seen; the place is the server that we reached, or empty for whoever came to us.
    "CREATE TABLE partners_seen (
        domain TEXT NOT NULL CHECK (domain = lower(domain)),
        inbound INTEGER NOT NULL CHECK (inbound IN (0, 1)),
        place TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (domain, inbound, place, fingerprint)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX partners_seen_last ON partners_seen (last);",
    // Moments in milliseconds. A sender is an address, or a domain for all in it. What is held has no message where its user will
    // not get it, and may be for a name that nobody has: it takes its place all the same.
    "CREATE TABLE consents (
        aor TEXT NOT NULL REFERENCES users (aor) ON DELETE CASCADE,
        sender TEXT NOT NULL CHECK (sender = lower(sender)),
        verdict TEXT NOT NULL CHECK (verdict IN ('asked', 'allowed', 'denied')),
        question TEXT,
        since INTEGER NOT NULL,
        PRIMARY KEY (aor, sender)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE held_messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        aor TEXT NOT NULL,
        sender TEXT NOT NULL,
        accepted INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        until INTEGER NOT NULL,
        request BLOB
    ) STRICT;
    CREATE INDEX held_messages_aor ON held_messages (aor, sender);
    CREATE INDEX held_messages_until ON held_messages (until);
    CREATE TRIGGER held_for_nobody AFTER INSERT ON users BEGIN DELETE FROM held_messages WHERE aor = NEW.aor; END;
    CREATE TRIGGER held_for_removed AFTER DELETE ON users BEGIN DELETE FROM held_messages WHERE aor = OLD.aor; END;",
    // To which domains without an entry users have turned, and what those brought to users who had not; users by number,
    // moments in milliseconds.
    "CREATE TABLE turned_to (
        user INTEGER NOT NULL,
        domain TEXT NOT NULL CHECK (domain = lower(domain)),
        at INTEGER NOT NULL,
        PRIMARY KEY (user, domain)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX turned_to_at ON turned_to (at);

    CREATE TABLE knocks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        user INTEGER NOT NULL,
        domain TEXT NOT NULL,
        issuer TEXT NOT NULL,
        serial TEXT NOT NULL
    ) STRICT;
    CREATE INDEX knocks_at ON knocks (at);
    CREATE INDEX knocks_domain ON knocks (domain);",
    // Of a home: in which revision each entry changed last, for edges that know an earlier one; complete from `changed_since` on.
    "ALTER TABLE revision ADD COLUMN changed_since INTEGER NOT NULL DEFAULT 0;
    UPDATE revision SET changed_since = revision;
    CREATE TABLE changed (
        kind TEXT NOT NULL CHECK (kind IN ('partner', 'provider', 'trust')),
        name TEXT NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX changed_revision ON changed (revision);
    DROP TRIGGER partners_added;
    CREATE TRIGGER partners_added AFTER INSERT ON partners BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'partner', NEW.domain, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER partners_changed;
    CREATE TRIGGER partners_changed AFTER UPDATE ON partners BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'partner', NEW.domain, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER partners_removed;
    CREATE TRIGGER partners_removed AFTER DELETE ON partners BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'partner', OLD.domain, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER providers_added;
    CREATE TRIGGER providers_added AFTER INSERT ON providers BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'provider', NEW.name, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER providers_changed;
    CREATE TRIGGER providers_changed AFTER UPDATE ON providers BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'provider', NEW.name, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER providers_removed;
    CREATE TRIGGER providers_removed AFTER DELETE ON providers BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'provider', OLD.name, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER domain_trust_added;
    CREATE TRIGGER domain_trust_added AFTER INSERT ON domain_trust BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'trust', NEW.domain, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER domain_trust_changed;
    CREATE TRIGGER domain_trust_changed AFTER UPDATE ON domain_trust BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'trust', NEW.domain, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;
    DROP TRIGGER domain_trust_removed;
    CREATE TRIGGER domain_trust_removed AFTER DELETE ON domain_trust BEGIN
        UPDATE revision SET revision = revision + 1;
        INSERT INTO changed SELECT 'trust', OLD.domain, revision FROM revision WHERE true
            ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision;
    END;",
    // Of a client that signs in by the whole address; none where the password was set before.
    "ALTER TABLE users ADD COLUMN ha1_address_sha256 BLOB CHECK (length(ha1_address_sha256) = 32);
    ALTER TABLE users ADD COLUMN ha1_address_md5 BLOB CHECK (length(ha1_address_md5) = 16);",
    "ALTER TABLE partners ADD COLUMN hide_topology TEXT NOT NULL DEFAULT 'by-default'
        CHECK (hide_topology IN ('by-default', 'always', 'never'));",
];

#[cfg(test)]
mod tests;
