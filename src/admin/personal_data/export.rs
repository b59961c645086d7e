//! Events as an archive contains them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{PersonalData, SubjectSelection};
use crate::admin::events::embedded;
use crate::admin::payload_reads::{self, Read};
use crate::admin::{AdminError, Caller, EventSummary, Scope};
use crate::store::{AuditEntry, AuditMore, Delivery, DeliveryAttempt, EventId};

/// An event with its payload and deliveries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportedEvent {
    #[serde(flatten)]
    pub event: EventSummary,
    /// The action in the path.
    pub action: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub occurred_at: Option<OffsetDateTime>,
    /// The fingerprint of the secret that verified it.
    pub secret: String,
    pub headers: BTreeMap<String, String>,
    pub claims: Option<Value>,
    pub envelope: Option<Value>,
    pub body: ExportedBody,
    pub deliveries_of_event: Vec<Delivery>,
    pub attempts: Vec<DeliveryAttempt>,
}

/// A body, without credentials that its sender forwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportedBody {
    /// The SHA-256 of the decoded bytes, in hexadecimal.
    pub sha256: String,
    pub base64: String,
    /// The same as text, if it is UTF-8.
    pub text: Option<String>,
}

impl ExportedBody {
    fn new(body: &[u8]) -> Self {
        Self {
            sha256: hex::encode(Sha256::digest(body)),
            base64: STANDARD.encode(body),
            text: std::str::from_utf8(body).ok().map(str::to_owned),
        }
    }

    /// Whether bytes, text and digest belong together.
    pub fn is_consistent(&self) -> bool {
        let Ok(body) = STANDARD.decode(&self.base64) else { return false };
        let text = std::str::from_utf8(&body).ok();
        hex::encode(Sha256::digest(&body)) == self.sha256 && text == self.text.as_deref()
    }
}

impl PersonalData {
    /// An event of a selection; `None` if it was deleted or erased meanwhile.
    pub async fn exported(
        &self,
        caller: &Caller,
        id: EventId,
    ) -> Result<Option<ExportedEvent>, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        let summary = self.store.event_summaries(&[id], caller.tenant()).await?.pop();
        let (Some(summary), Some(event)) = (summary, self.store.event(id).await?) else {
            return Ok(None);
        };
        let ids = self.store.deliveries_of(id).await?;
        Ok(Some(ExportedEvent {
            event: summary,
            body: ExportedBody::new(&event.shown_body()),
            action: event.action,
            occurred_at: event.occurred_at,
            secret: event.secret,
            headers: event.headers.into_iter().collect(),
            claims: event.claims.as_ref().map(embedded),
            envelope: event.envelope.as_ref().map(embedded),
            deliveries_of_event: self.store.deliveries(&ids, caller.tenant()).await?,
            attempts: self.store.attempts(&ids).await?,
        }))
    }

    /// Records that a selection is exported. Call it before anything is read.
    pub async fn record_export(
        &self,
        caller: &Caller,
        selection: &SubjectSelection,
    ) -> Result<(), AdminError> {
        let (target, now) = (selection.audited(), self.clock.now());
        payload_reads::record(&self.store, caller, Read::Exported, &target, now).await
    }

    /// Records the digest of a written archive, so that a changed one is recognized.
    pub async fn record_archive(
        &self,
        caller: &Caller,
        selection: &SubjectSelection,
        (events, manifest): (u64, [u8; 32]),
    ) -> Result<(), AdminError> {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: caller.actor(),
            action: "export",
            target: &selection.audited(),
            reason: "",
            count: events,
        };
        let mut tx = self.store.begin().await?;
        let more = AuditMore { after: Some(manifest), ..caller.audit_more() };
        tx.audit_with(&entry, more).await?;
        tx.commit(()).await?;
        Ok(())
    }
}
