//! Edit and replay: a new event with an edited body, otherwise a copy of a dead letter's event. The
//! original is kept, and its dead letter is resolved as replayed.
//!
//! The new event is marked as edited wherever it is shown: the sender did not send it, and the proof
//! is about the original. Of a payload in chunks the whole file is edited, and its envelope gets the
//! new size and digest. Only text can be edited.

mod diff;
mod model;

use bytes::Bytes;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

pub use model::{EditPreview, Edited};

use super::payload_reads::{self, Read};
use super::unreadable::unreadable;
use super::{
    AdminError, Caller, DeadLetterAction, DeadLetters, Reason, Scope, pretty, wake_gateways,
};
use crate::store::{
    AuditEntry, AuditMore, EventId, NewEdit, OperatorAction, Resolution, StoredEvent,
};
use crate::verify::{self, enveloped};

/// The maximum size of an edited body, in bytes.
pub const MAX_EDITED: usize = 4 * 1024 * 1024;

impl DeadLetters {
    /// The body of a dead letter's event, for editing. JSON is indented, without changes to numbers
    /// or strings.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if the event was deleted; [`AdminError::Invalid`] if it cannot be
    /// edited.
    pub async fn to_edit(&self, caller: &Caller, delivery: i64) -> Result<String, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        caller.needs(Scope::EventsEdit)?;
        let original = self.original(caller, delivery).await?;
        let target = format!("event {}, at delivery {delivery}", original.id);
        payload_reads::record(&self.store, caller, Read::Viewed, &target, self.clock.now()).await?;
        let text = String::from_utf8_lossy(&original.shown_body()).into_owned();
        // Files are edited as they are.
        if original.envelope.is_some() {
            return Ok(text);
        }
        Ok(match pretty(&text, MAX_EDITED) {
            Ok(lines) if !lines.is_cut && lines.text.len() <= MAX_EDITED => lines.text,
            _ => text,
        })
    }

    /// Previews an edit. Nothing is changed.
    ///
    /// # Errors
    /// As [`DeadLetters::edit`].
    pub async fn preview_edit(
        &self,
        caller: &Caller,
        delivery: i64,
        body: &Bytes,
    ) -> Result<EditPreview, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        caller.needs(Scope::EventsEdit)?;
        let (original, _) = self.editable(caller, delivery, body).await?;
        let mut tx = self.store.begin().await?;
        let handlers = self.decide_edit(&mut tx, caller, delivery).await?;
        // Nothing is written, and the row need not stay locked during the comparison.
        drop(tx);
        let (before, after) = (original.shown_body(), body.clone());
        // Comparing long texts would block the thread.
        let compared = spawn_blocking(move || {
            diff::diff(&String::from_utf8_lossy(&before), &String::from_utf8_lossy(&after))
        });
        // The task neither panics nor is cancelled.
        let (diff, is_partial) = compared.await.unwrap_or_else(|_| (String::new(), true));
        Ok(EditPreview { delivery, event: original.id, handlers, diff, is_partial })
    }

    /// Creates a copy of a dead letter's event with another body, delivered to the handlers that a
    /// replay would go to.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] if the delivery cannot be replayed; [`AdminError::Invalid`] if the
    /// body is invalid, the original cannot be edited, or without a reason.
    pub async fn edit(
        &self,
        caller: &Caller,
        delivery: i64,
        body: &Bytes,
        reason: &str,
    ) -> Result<Edited, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        caller.needs(Scope::EventsEdit)?;
        let reason = Reason::new(reason)?;
        let reason = reason.as_str();
        let (original, envelope) = self.editable(caller, delivery, body).await?;
        let (at, actor) = (self.clock.now(), caller.actor());
        let event = EventId::new(at);
        let mut tx = self.store.begin().await?;
        let handlers = self.decide_edit(&mut tx, caller, delivery).await?;
        let envelope = envelope.as_deref();
        let new = NewEdit { id: event, original: original.id, body, envelope, by: actor, at };
        if !tx.insert_edit(&new).await? {
            return Err(gone());
        }
        let pairs: Vec<(i64, String)> =
            handlers.into_iter().map(|handler| (delivery, handler)).collect();
        let created = tx.insert_replays(&pairs, Some(event), at).await?;
        tx.resolve(&[delivery], Resolution::Replayed, at).await?;
        let action = DeadLetterAction::Replay.as_str();
        tx.record_action(OperatorAction { at, actor, action, reason, job: None }, &[], &created)
            .await?;
        let entry = AuditEntry {
            at,
            actor,
            action: "edit and replay",
            target: &format!("delivery {delivery}, event {}, as event {event}", original.id),
            reason,
            count: 1,
        };
        let more = AuditMore {
            before: Some(Sha256::digest(&original.body).into()),
            after: Some(Sha256::digest(body).into()),
            ..caller.audit_more()
        };
        tx.audit_with(&entry, more).await?;
        let edited = tx.commit(Edited { event, created }).await?.into_inner();
        wake_gateways(&self.store).await;
        Ok(edited)
    }

    /// The event of a delivery, if it can be edited.
    async fn original(&self, caller: &Caller, delivery: i64) -> Result<StoredEvent, AdminError> {
        let dead = self.store.deliveries(&[delivery], caller.tenant()).await?.pop();
        let dead = dead.ok_or_else(|| AdminError::NotFound(format!("delivery {delivery}")))?;
        let Some(original) = self.store.event(dead.event).await? else {
            return Err(match unreadable(&self.store, dead.event, caller.tenant()).await {
                AdminError::NotFound(_) => gone(),
                error => error,
            });
        };
        if original.body.len() > MAX_EDITED {
            return Err(too_long());
        }
        if std::str::from_utf8(&original.body).is_err() {
            let text = "the body is not text and cannot be edited";
            return Err(AdminError::Invalid(text.to_owned()));
        }
        Ok(original)
    }

    /// The event of a delivery, if this body is valid for it, and the new envelope of a payload in
    /// chunks.
    async fn editable(
        &self,
        caller: &Caller,
        delivery: i64,
        body: &Bytes,
    ) -> Result<(StoredEvent, Option<Vec<u8>>), AdminError> {
        let original = self.original(caller, delivery).await?;
        if body.len() > MAX_EDITED {
            return Err(too_long());
        }
        // A file may contain anything. All other bodies are JSON.
        let envelope = original.envelope.as_ref();
        let envelope = envelope.map(|envelope| enveloped(envelope, body).ok_or_else(no_envelope));
        let envelope = envelope.transpose()?;
        if envelope.is_none()
            && let Err((reason, detail)) = verify::parse::<IgnoredAny>(body)
        {
            return Err(AdminError::Invalid(format!("{}: {detail}", reason.as_str())));
        }
        let shown = original.shown_body();
        let same = *body == shown || (envelope.is_none() && are_alike(body, &shown));
        if same {
            let text = "nothing was changed: replay the delivery instead";
            return Err(AdminError::Invalid(text.to_owned()));
        }
        Ok((original, envelope))
    }

    async fn decide_edit(
        &self,
        tx: &mut crate::store::Tx<'_>,
        caller: &Caller,
        delivery: i64,
    ) -> Result<Vec<String>, AdminError> {
        let locked = tx.lock_deliveries(&[delivery], caller.tenant()).await?.pop();
        let locked = locked.ok_or_else(|| AdminError::NotFound(format!("delivery {delivery}")))?;
        let decided = DeadLetterAction::Replay.decide(&locked, &self.routing, false);
        decided.map_err(|refused| AdminError::Conflict(refused.to_string()))
    }
}

/// Whether they are the same JSON except for white space: the form shows it indented.
fn are_alike(one: &[u8], other: &[u8]) -> bool {
    let lines = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        pretty(text, usize::MAX).ok().map(|lines| lines.text)
    };
    lines(one).is_some_and(|one| Some(one) == lines(other))
}

fn gone() -> AdminError {
    AdminError::Conflict("the event no longer exists".to_owned())
}

fn too_long() -> AdminError {
    AdminError::Invalid(format!("an edited body must have at most {MAX_EDITED} bytes"))
}

fn no_envelope() -> AdminError {
    let text = "the event came in chunks, and its envelope has no size and digest";
    AdminError::Invalid(text.to_owned())
}
