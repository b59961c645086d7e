//! The audit log: written in the transaction of the action, as a hash chain.
//!
//! Every row holds the hash of the one before it, and its own hash covers that: whoever changes,
//! removes or puts in a row would have to make all later hashes anew. Rows are numbered without a
//! gap. Only one transaction at a time adds to the chain, from its first entry to its commit, so
//! that an entry is best the last thing a transaction writes.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Store, StoreError, Tx, bounded};

/// What the lock of the chain is called: any number that nothing else uses.
const CHAIN: i64 = 0x5345_414c_4155_4449;

/// A SHA-256.
pub type Hash = [u8; 32];

/// One thing that somebody did.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: &'a str,
    /// What, such as `replay`.
    pub action: &'a str,
    /// To what: the selection, in words.
    pub target: &'a str,
    /// Why, in the actor's words.
    pub reason: &'a str,
    /// How many rows it touched.
    pub count: u64,
}

/// What an entry may say beyond that.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditMore<'a> {
    /// The only tenant whose things the actor sees.
    pub tenant: Option<&'a str>,
    /// The address that the actor asks from.
    pub address: Option<IpAddr>,
    /// The SHA-256 of what was there before, where something was changed.
    pub before: Option<Hash>,
    /// The SHA-256 of what is there after it.
    pub after: Option<Hash>,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number, from 1.
    pub id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// The only tenant whose things they see.
    pub tenant: Option<String>,
    /// The address that they asked from.
    pub address: Option<String>,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// How many rows it touched.
    pub count: i64,
    /// The SHA-256 of what was there before.
    pub before: Option<Hash>,
    /// The SHA-256 of what is there after it.
    pub after: Option<Hash>,
    /// The hash of the entry before; zeros in the first one.
    pub prev_hash: Hash,
    /// Its own.
    pub hash: Hash,
}

/// Which entries are wanted. Every part that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Not before this time.
    pub since: Option<OffsetDateTime>,
    /// Before this time.
    pub until: Option<OffsetDateTime>,
    /// Of actors that see only this tenant's things.
    pub tenant: Option<String>,
}

impl AuditRow {
    /// The hash that it should have: SHA-256 over every field and the hash before, each with its
    /// length in front, so that no two entries are written alike.
    pub fn computed(&self) -> Hash {
        let mut hasher = Sha256::new();
        let mut put = |bytes: Option<&[u8]>| {
            // What is absent differs from what is empty.
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            hasher.update(length.to_be_bytes());
            hasher.update(bytes.unwrap_or_default());
        };
        let micros = i64::try_from(self.at.unix_timestamp_nanos().div_euclid(1_000));
        put(Some(b"sealpost audit v1"));
        put(Some(&self.id.to_be_bytes()));
        put(Some(&micros.unwrap_or(i64::MAX).to_be_bytes()));
        put(Some(self.actor.as_bytes()));
        put(self.tenant.as_deref().map(str::as_bytes));
        put(self.address.as_deref().map(str::as_bytes));
        put(Some(self.action.as_bytes()));
        put(Some(self.target.as_bytes()));
        put(Some(self.reason.as_bytes()));
        put(Some(&self.count.to_be_bytes()));
        put(self.before.as_ref().map(|hash| &hash[..]));
        put(self.after.as_ref().map(|hash| &hash[..]));
        put(Some(&self.prev_hash));
        hasher.finalize().into()
    }
}

/// An entry of which the hashes are as they are stored.
struct Row {
    id: i64,
    at: OffsetDateTime,
    actor: String,
    tenant: Option<String>,
    address: Option<String>,
    action: String,
    target: String,
    reason: String,
    count: i64,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
}

impl Row {
    fn read(self) -> Result<AuditRow, StoreError> {
        let id = self.id;
        let hash = |bytes: Vec<u8>, column| {
            let inconsistent = |_| inconsistent(id, column);
            Hash::try_from(bytes).map_err(inconsistent)
        };
        Ok(AuditRow {
            id,
            at: self.at,
            actor: self.actor,
            tenant: self.tenant,
            address: self.address,
            action: self.action,
            target: self.target,
            reason: self.reason,
            count: self.count,
            before: self.before.map(|bytes| hash(bytes, "before")).transpose()?,
            after: self.after.map(|bytes| hash(bytes, "after")).transpose()?,
            prev_hash: hash(self.prev_hash, "prev_hash")?,
            hash: hash(self.hash, "hash")?,
        })
    }
}

fn inconsistent(id: i64, column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "audit_log", column, row: id.to_string() }
}

impl Store {
    /// Up to `limit` entries that match, the newest first, from the first before `before`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn audit_entries(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, at, actor, tenant, address, action, target, reason, count, before, after,
                    prev_hash, hash
               FROM audit_log
              WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR action = $2)
                AND ($3::timestamptz IS NULL OR at >= $3)
                AND ($4::timestamptz IS NULL OR at < $4)
                AND ($5::text IS NULL OR tenant = $5)
                AND ($6::bigint IS NULL OR id < $6)
              ORDER BY id DESC LIMIT $7",
            filter.actor,
            filter.action,
            filter.since,
            filter.until,
            filter.tenant,
            before,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Up to `limit` entries after an id, in the order of the chain.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn audit_chain(&self, after: i64, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, at, actor, tenant, address, action, target, reason, count, before, after,
                    prev_hash, hash
               FROM audit_log WHERE id > $1 ORDER BY id LIMIT $2",
            after,
            limit,
        )
        .fetch_all(&self.operator)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }
}

impl Tx<'_> {
    /// Records what the transaction does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn audit(&mut self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        self.audit_with(entry, AuditMore::default()).await
    }

    /// The same, for an actor that sees one tenant's things only, or with the digests of what was
    /// changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn audit_with(
        &mut self,
        entry: &AuditEntry<'_>,
        more: AuditMore<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", CHAIN).execute(self.connection()).await?;
        // A statement of its own: it sees what whoever held the lock before has committed.
        let last = sqlx::query!("SELECT id, hash FROM audit_log ORDER BY id DESC LIMIT 1")
            .fetch_optional(self.connection())
            .await?;
        let (id, prev_hash) = match last {
            Some(last) => {
                let hash = Hash::try_from(last.hash).map_err(|_| inconsistent(last.id, "hash"))?;
                (last.id + 1, hash)
            }
            None => (1, Hash::default()),
        };
        let mut kept = AuditRow {
            id,
            at: to_micros(entry.at),
            actor: bounded(entry.actor),
            tenant: more.tenant.map(bounded),
            address: more.address.map(|address| address.to_string()),
            action: bounded(entry.action),
            target: bounded(entry.target),
            reason: bounded(entry.reason),
            count: i64::try_from(entry.count).unwrap_or(i64::MAX),
            before: more.before,
            after: more.after,
            prev_hash,
            hash: Hash::default(),
        };
        kept.hash = kept.computed();
        self.insert_audit(&kept).await
    }

    async fn insert_audit(&mut self, entry: &AuditRow) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO audit_log (id, at, actor, tenant, address, action, target, reason, count,
                                    before, after, prev_hash, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            entry.id,
            entry.at,
            entry.actor,
            entry.tenant,
            entry.address,
            entry.action,
            entry.target,
            entry.reason,
            entry.count,
            entry.before.as_ref().map(|hash| &hash[..]),
            entry.after.as_ref().map(|hash| &hash[..]),
            &entry.prev_hash[..],
            &entry.hash[..],
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// To the precision of the database: what is hashed is what is read back.
fn to_micros(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1_000 * 1_000).unwrap_or(at)
}
