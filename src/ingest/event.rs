//! What is recorded of a verified request.

use bytes::Bytes;
use time::OffsetDateTime;

use super::Source;
use crate::store::{DeathReason, EventId, KeyDigest, NewEvent, Plan, StoredEvent};
use crate::verify::{EventMeta, Provenance, Quarantined};

/// What is recorded of a request that is of no use. Its key has a space of its own: what was sent to
/// a wrong path, which is not signed, cannot take the place of what is sent to the right one.
pub(super) fn quarantined(
    source: &Source,
    provenance: Provenance,
    body: Bytes,
    digest: [u8; 32],
    useless: Quarantined,
    now: OffsetDateTime,
) -> NewEvent {
    let Quarantined { reason, detail, event_type } = useless;
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

/// The event, as it is stored.
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
        provider: source.gate.provider.name().to_owned(),
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
