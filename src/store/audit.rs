//! The audit log: written in the transaction of the action, as a hash chain.
//!
//! Every row contains the hash of the previous one, and its own hash covers that: a row cannot be
//! changed, removed or inserted without recomputing all later hashes. Rows are numbered without a
//! gap. Only one transaction at a time adds to the chain, from its first entry to its commit, so
//! write the entry last.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Store, StoreError, Tx, bounded};

/// The id of the chain's advisory lock: any number that nothing else uses.
const CHAIN: i64 = 0x5345_414c_4155_4449;

/// A SHA-256.
pub type Hash = [u8; 32];

/// Hashes in JSON: hexadecimal text.
pub(crate) mod hexadecimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use super::Hash;

    pub(crate) fn serialize<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(hash))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        parse(&String::deserialize(from)?)
    }

    fn parse<E: de::Error>(text: &str) -> Result<Hash, E> {
        let mut hash = Hash::default();
        hex::decode_to_slice(text, &mut hash).map_err(E::custom)?;
        Ok(hash)
    }

    /// The same for an optional hash.
    pub(crate) mod option {
        use serde::{Deserialize as _, Deserializer, Serializer};

        use super::Hash;

        #[expect(clippy::ref_option, reason = "the signature that serde calls")]
        pub(crate) fn serialize<S: Serializer>(
            hash: &Option<Hash>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match hash {
                Some(hash) => super::serialize(hash, to),
                None => to.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Hash>, D::Error> {
            let text = Option::<String>::deserialize(from)?;
            text.as_deref().map(super::parse).transpose()
        }
    }
}

/// An action to record.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    pub at: OffsetDateTime,
    pub actor: &'a str,
    /// For example `replay`.
    pub action: &'a str,
    /// The target, in words.
    pub target: &'a str,
    pub reason: &'a str,
    /// Number of affected rows.
    pub count: u64,
}

/// Optional parts of an entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditMore<'a> {
    /// The tenant the actor is limited to.
    pub tenant: Option<&'a str>,
    pub address: Option<IpAddr>,
    /// The SHA-256 of the state before.
    pub before: Option<Hash>,
    /// The SHA-256 of the state after.
    pub after: Option<Hash>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditRow {
    /// Its number, from 1.
    pub id: i64,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The actor.
    pub actor: String,
    /// The tenant the actor is limited to.
    pub tenant: Option<String>,
    /// The client address; null for the command line.
    pub address: Option<String>,
    /// The action.
    pub action: String,
    /// The target.
    pub target: String,
    /// The reason.
    pub reason: String,
    /// Number of affected rows.
    pub count: i64,
    /// The SHA-256 of the state before.
    #[serde(with = "hexadecimal::option")]
    #[schema(value_type = Option<String>)]
    pub before: Option<Hash>,
    /// The SHA-256 of the state after.
    #[serde(with = "hexadecimal::option")]
    #[schema(value_type = Option<String>)]
    pub after: Option<Hash>,
    /// The hash of the previous entry; zeros in the first one.
    #[serde(with = "hexadecimal")]
    #[schema(value_type = String)]
    pub prev_hash: Hash,
    /// The hash of this entry.
    #[serde(with = "hexadecimal")]
    #[schema(value_type = String)]
    pub hash: Hash,
}

/// A filter of entries; all given parts must match.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub actor: Option<String>,
    pub action: Option<String>,
    /// At or after this time.
    pub since: Option<OffsetDateTime>,
    /// Before this time.
    pub until: Option<OffsetDateTime>,
    /// The tenant the actor is limited to.
    pub tenant: Option<String>,
}

impl AuditRow {
    /// The expected hash: SHA-256 over every field and the previous hash, each preceded by its
    /// length, so that different entries have different input.
    pub fn computed(&self) -> Hash {
        let mut hasher = Sha256::new();
        let mut put = |bytes: Option<&[u8]>| {
            // An absent value differs from an empty one.
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

/// A row of the table.
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
    /// Up to `limit` matching entries before the number `before`, newest first.
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
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Up to `limit` entries after a number, in the order of the chain.
    pub async fn audit_chain(&self, after: i64, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT id, at, actor, tenant, address, action, target, reason, count, before, after,
                    prev_hash, hash
               FROM audit_log WHERE id > $1 ORDER BY id LIMIT $2",
            after,
            limit,
        )
        .fetch_all(&self.admin)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }
}

impl Tx<'_> {
    /// Records an action in this transaction.
    pub async fn audit(&mut self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        self.audit_with(entry, AuditMore::default()).await
    }

    /// The same, with the optional parts.
    pub async fn audit_with(
        &mut self,
        entry: &AuditEntry<'_>,
        more: AuditMore<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", CHAIN).execute(self.connection()).await?;
        // A separate statement sees what the previous holder of the lock has committed.
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

/// Truncates to the precision of the database, so that the stored time has the same hash.
fn to_micros(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1_000 * 1_000).unwrap_or(at)
}
