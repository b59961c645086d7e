//! The stored form of a verified request.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::Source;
use crate::store::{DeathReason, EventId, KeyDigest, NewEvent, Plan, StoredEvent};
use crate::verify::{EventKey, EventMeta, Provenance, Quarantine, Quarantined};

/// The stored form of an event with its plan; of a dead letter, with the reason, if its type is too
/// long.
pub(super) fn planned(
    source: &Source,
    provenance: Provenance,
    body: Bytes,
    meta: EventMeta,
    now: OffsetDateTime,
) -> (NewEvent, Option<Quarantine>) {
    if meta.event_type.len() > EventMeta::MAX_EVENT_TYPE || meta.event_type.contains('\0') {
        let reason = Quarantine::FieldLength;
        let detail = format!("event type too long: {} bytes", meta.event_type.len());
        let request = Quarantined { reason, detail, event_type: None };
        let digest = Sha256::digest(&body).into();
        return (quarantined(source, provenance, body, digest, request, now), Some(reason));
    }
    let digest: Option<[u8; 32]> = match &meta.key {
        EventKey::Signed(_) | EventKey::Once(_) => Some(Sha256::digest(&body).into()),
        // These keys depend on the body, or on nothing.
        EventKey::BodyDigest(_) | EventKey::EveryRequest => None,
    };
    let new = NewEvent {
        key: KeyDigest::of(&source.tenant, &source.name, &meta.key),
        digest,
        lane: meta.lane,
        plan: Plan::Deliver {
            handlers: (source.handlers_for)(&meta.event_type),
            lane_blocks: source.lane_blocks,
        },
        event: StoredEvent {
            occurred_at: meta.occurred_at,
            ..stored(source, provenance, body, meta.event_type.into_owned(), now)
        },
    };
    (new, None)
}

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
