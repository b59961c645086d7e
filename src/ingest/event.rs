//! The stored form of a verified request.

use bytes::Bytes;
use time::OffsetDateTime;

use super::Source;
use crate::store::{DeathReason, EventId, KeyDigest, NewEvent, Plan, StoredEvent};
use crate::verify::{EventMeta, Provenance, Quarantined};

/// The stored form of an unprocessable request. Its key has a namespace of its own: a request to a
/// wrong path, which is not signed, cannot take the place of one to the right path.
pub(super) fn quarantined(
    source: &Source,
    provenance: Provenance,
    body: Bytes,
    digest: [u8; 32],
    request: Quarantined,
    now: OffsetDateTime,
) -> NewEvent {
    let Quarantined { reason, detail, event_type } = request;
    let event_type = event_type
        .filter(|event_type| {
            event_type.len() <= EventMeta::MAX_EVENT_TYPE && !event_type.contains('\0')
        })
        .unwrap_or_else(|| "unrecognised".to_owned());
    NewEvent {
        key: KeyDigest::of_quarantined(&source.tenant, &source.name, reason, &digest),
        event: stored(source, provenance, body, event_type, now),
        digest: None,
        lane: None,
        plan: Plan::Quarantine { reason: DeathReason::Quarantined(reason), detail },
    }
}

pub(super) fn stored(
    source: &Source,
    provenance: Provenance,
    body: Bytes,
    event_type: String,
    now: OffsetDateTime,
) -> StoredEvent {
    let Provenance { action, strength, secret, skew, late, claims, headers } = provenance;
    StoredEvent {
        id: EventId::new(now),
        tenant: source.tenant.clone(),
        source: source.name.to_string(),
        provider: source.verifier.provider.name().to_owned(),
        event_type,
        action: action.map(str::to_owned),
        strength,
        late,
        secret: secret.to_string(),
        skew_seconds: skew,
        received_at: now,
        occurred_at: None,
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        claims,
        envelope: None,
        body,
    }
}
