//! Secrets that senders bring in handshakes, and the windows in which sources accept them. The
//! secrets are credentials, sealed by the vault.

use std::net::IpAddr;

use sqlx::PgPool;
use time::OffsetDateTime;

use super::credentials::sealed;
use super::{AuditEntry, AuditMore, Committed, Store, StoreError, Tx, bounded};
use crate::vault::{Label, Sealed};

/// The maximum number of stored secrets of a source: each signature is tried with all of them.
pub const MAX_HANDSHAKE_SECRETS: i64 = 32;

/// The beginning of the names of these credentials. The fingerprint follows.
const PREFIX: &str = "handshake ";

/// A secret of a handshake, sealed.
#[derive(Debug, Clone)]
pub struct HandshakeSecret {
    pub label: Label,
    pub sealed: Sealed,
    pub stored_at: OffsetDateTime,
}

/// A stored secret, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeSecretRow {
    pub tenant: String,
    pub source: String,
    pub fingerprint: String,
    pub stored_at: OffsetDateTime,
}

/// An open window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeWindow {
    pub tenant: String,
    pub source: String,
    pub opened_by: String,
    pub closes_at: OffsetDateTime,
}

/// A secret that a handshake has brought.
#[derive(Debug, Clone, Copy)]
pub struct NewHandshakeSecret<'a> {
    pub label: &'a Label,
    pub sealed: &'a Sealed,
    /// The client address.
    pub address: Option<IpAddr>,
    pub at: OffsetDateTime,
}

impl HandshakeSecret {
    /// The label of a secret.
    pub fn label(tenant: &str, source: &str, fingerprint: &str) -> Label {
        let name = format!("{PREFIX}{fingerprint}");
        Label { tenant: tenant.to_owned(), source: source.to_owned(), name }
    }

    pub fn fingerprint(&self) -> &str {
        fingerprint(&self.label.name)
    }
}

fn fingerprint(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

impl Store {
    /// Stores a secret, closes the window of its source, and writes the audit entry, in one commit.
    /// A secret that is stored already is not stored again, and needs no window: the sender repeats
    /// a handshake whose response was lost. `None` if no window is open, or if the source has the
    /// maximum number of secrets.
    pub async fn accept_handshake(
        &self,
        new: NewHandshakeSecret<'_>,
    ) -> Result<Option<Committed<()>>, StoreError> {
        self.record_alone(async || {
            let mut tx = self.begin_ingest().await?;
            if tx.has_handshake_secret(new.label).await? || tx.take_handshake(new).await? {
                return tx.commit(()).await.map(Some);
            }
            tx.rollback().await?;
            Ok(None)
        })
        .await
    }

    /// The secrets of all sources, by source, oldest first, and the open windows.
    pub async fn handshake_secrets(
        &self,
        now: OffsetDateTime,
    ) -> Result<(Vec<HandshakeSecret>, Vec<HandshakeWindow>), StoreError> {
        let rows = sqlx::query!(
            "SELECT h.tenant, h.source, h.name, h.stored_at, c.key_id, c.nonce, c.ciphertext
               FROM handshake_secrets h JOIN credentials c USING (tenant, source, name)
              ORDER BY h.tenant, h.source, h.stored_at, h.name"
        )
        .fetch_all(&self.ingest)
        .await?;
        let secrets = rows.into_iter().map(|row| {
            let label = Label { tenant: row.tenant, source: row.source, name: row.name };
            let sealed = sealed(("credentials", &label), row.key_id, &row.nonce, row.ciphertext)?;
            Ok(HandshakeSecret { label, sealed, stored_at: row.stored_at })
        });
        let secrets = secrets.collect::<Result<_, StoreError>>()?;
        Ok((secrets, open_windows(&self.ingest, now).await?))
    }

    /// The secrets of all sources, oldest first, without their content, and the open windows.
    pub async fn handshake_secret_rows(
        &self,
        now: OffsetDateTime,
    ) -> Result<(Vec<HandshakeSecretRow>, Vec<HandshakeWindow>), StoreError> {
        let rows = sqlx::query!(
            "SELECT tenant, source, name, stored_at FROM handshake_secrets
              ORDER BY stored_at, tenant, source, name"
        )
        .fetch_all(&self.admin)
        .await?;
        let secrets = rows.into_iter().map(|row| HandshakeSecretRow {
            fingerprint: fingerprint(&row.name).to_owned(),
            tenant: row.tenant,
            source: row.source,
            stored_at: row.stored_at,
        });
        Ok((secrets.collect(), open_windows(&self.admin, now).await?))
    }
}

async fn open_windows(
    pool: &PgPool,
    now: OffsetDateTime,
) -> Result<Vec<HandshakeWindow>, StoreError> {
    let windows = sqlx::query_as!(
        HandshakeWindow,
        "SELECT tenant, source, opened_by, closes_at FROM handshake_windows
              WHERE closes_at > $1",
        now,
    )
    .fetch_all(pool)
    .await?;
    Ok(windows)
}

impl Tx<'_> {
    /// Opens the window of a source, or moves its end.
    pub async fn open_handshake_window(
        &mut self,
        (tenant, source): (&str, &str),
        by: &str,
        closes_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO handshake_windows (tenant, source, opened_at, opened_by, closes_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant, source) DO UPDATE SET
                 opened_at = excluded.opened_at, opened_by = excluded.opened_by,
                 closes_at = excluded.closes_at",
            tenant,
            source,
            now,
            bounded(by),
            closes_at,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Closes the window of a source; returns who opened it, `None` if it was not open.
    pub async fn close_handshake_window(
        &mut self,
        (tenant, source): (&str, &str),
        now: OffsetDateTime,
    ) -> Result<Option<String>, StoreError> {
        let row = sqlx::query!(
            "DELETE FROM handshake_windows
              WHERE tenant = $1 AND source = $2 AND closes_at > $3 RETURNING opened_by",
            tenant,
            source,
            now,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| row.opened_by))
    }

    /// The newest secret of a source.
    pub async fn newest_handshake_secret(
        &mut self,
        (tenant, source): (&str, &str),
    ) -> Result<Option<HandshakeSecret>, StoreError> {
        let row = sqlx::query!(
            "SELECT name, stored_at FROM handshake_secrets WHERE tenant = $1 AND source = $2
              ORDER BY stored_at DESC, name LIMIT 1",
            tenant,
            source,
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let label = HandshakeSecret::label(tenant, source, fingerprint(&row.name));
        let sealed = self.credential(&label).await?;
        Ok(sealed.map(|sealed| HandshakeSecret { label, sealed, stored_at: row.stored_at }))
    }

    /// The number of secrets of a source.
    pub async fn count_handshake_secrets(
        &mut self,
        (tenant, source): (&str, &str),
    ) -> Result<i64, StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!" FROM handshake_secrets
                WHERE tenant = $1 AND source = $2"#,
            tenant,
            source,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(row.count)
    }

    async fn has_handshake_secret(&mut self, label: &Label) -> Result<bool, StoreError> {
        let row = sqlx::query!(
            "SELECT stored_at FROM handshake_secrets
              WHERE tenant = $1 AND source = $2 AND name = $3",
            label.tenant,
            label.source,
            label.name,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.is_some())
    }

    /// Closes the window and stores the secret; false if that is not possible.
    async fn take_handshake(&mut self, new: NewHandshakeSecret<'_>) -> Result<bool, StoreError> {
        let Label { tenant, source, name } = new.label;
        let of = (&**tenant, &**source);
        // Of several handshakes at once, the first takes the window.
        let Some(opened_by) = self.close_handshake_window(of, new.at).await? else {
            return Ok(false);
        };
        if self.count_handshake_secrets(of).await? >= MAX_HANDSHAKE_SECRETS {
            return Ok(false);
        }
        self.put_credential(new.label, new.sealed, new.at).await?;
        sqlx::query!(
            "INSERT INTO handshake_secrets (tenant, source, name, stored_at)
             VALUES ($1, $2, $3, $4)",
            tenant,
            source,
            name,
            new.at,
        )
        .execute(self.connection())
        .await?;
        let entry = AuditEntry {
            at: new.at,
            actor: &opened_by,
            action: "accept handshake",
            target: &format!("source {source}, secret {}", fingerprint(name)),
            reason: "",
            count: 1,
        };
        // In the audit log of the tenant, since it is about a source of it.
        let more = AuditMore { tenant: Some(tenant), address: new.address, ..AuditMore::default() };
        self.audit_with(&entry, more).await?;
        Ok(true)
    }
}
