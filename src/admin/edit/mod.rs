//! Edit and replay: a new event whose body an operator has written, and everything else of which is
//! that of a dead letter's event. The original is kept, and its dead letter counts as replayed.
//!
//! The new event says what it is wherever it is shown: nobody sent it, and the proof is about the
//! original. Of a payload that came in chunks the whole file is edited, and the envelope says the
//! size and the digest of what it is now. What is no text cannot be edited.

mod diff;

use bytes::Bytes;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::payload_reads::{self, Read};
use super::{Action, AdminError, Caller, DeadLetters, Reason, Scope, pretty, wake_gateways};
use crate::store::{
    AuditEntry, AuditMore, EventId, NewEdit, OperatorAction, Resolution, StoredEvent,
};
use crate::verify::{self, enveloped};

/// The longest edited body, in bytes.
pub const MOST_EDITED: usize = 4 * 1024 * 1024;

/// What an edit would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditPreview {
    /// The dead letter.
    pub delivery: i64,
    /// Its event.
    pub event: EventId,
    /// The handlers that the edited event would go to.
    pub handlers: Vec<String>,
    /// The difference, line by line; JSON is written out for it. Untrusted input.
    pub diff: String,
    /// Whether something is left out of the difference, because it is long.
    pub is_partial: bool,
}

/// What an edit has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The new event.
    pub event: EventId,
    /// Its deliveries.
    pub created: Vec<i64>,
}

impl DeadLetters {
    /// The body of a dead letter's event, to be edited: JSON is written out in lines, which changes
    /// neither its numbers nor its texts.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] when the event is gone;
    /// [`AdminError::Invalid`] when it cannot be edited; [`AdminError::Denied`] without
    /// [`Scope::PayloadRead`] and [`Scope::EventsEdit`]; [`AdminError::Store`].
    pub async fn to_edit(&self, caller: &Caller, delivery: i64) -> Result<String, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        caller.needs(Scope::EventsEdit)?;
        let original = self.original(caller, delivery).await?;
        let target = format!("event {}, at delivery {delivery}", original.id);
        payload_reads::note(&self.store, caller, Read::Looked, &target, self.clock.now()).await?;
        let text = String::from_utf8_lossy(&original.shown_body()).into_owned();
        // A file is edited as it is.
        if original.envelope.is_some() {
            return Ok(text);
        }
        Ok(match pretty(&text, MOST_EDITED) {
            Ok(lines) if !lines.is_cut && lines.text.len() <= MOST_EDITED => lines.text,
            _ => text,
        })
    }

    /// Says what an edit would change, and does nothing.
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
        // Only looked at: nothing is kept, and the row need not be held while texts are compared.
        drop(tx);
        let (before, after) = (original.shown_body(), body.clone());
        // Long texts take a while, and the thread has others to serve.
        let compared = spawn_blocking(move || {
            diff::diff(&String::from_utf8_lossy(&before), &String::from_utf8_lossy(&after))
        });
        // It neither panics nor is it cancelled.
        let (diff, is_partial) = compared.await.unwrap_or_else(|_| (String::new(), true));
        Ok(EditPreview { delivery, event: original.id, handlers, diff, is_partial })
    }

    /// Makes a new event of a dead letter's with another body, and hands it to the handlers to which
    /// a replay would go.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] when the delivery cannot be
    /// replayed; [`AdminError::Invalid`] when the body is not what its provider sends, or the
    /// original cannot be edited, or without a reason; [`AdminError::Denied`] without
    /// [`Scope::PayloadRead`] and [`Scope::EventsEdit`]; [`AdminError::Store`].
    pub async fn edit(
        &self,
        caller: &Caller,
        delivery: i64,
        body: &Bytes,
        reason: &str,
    ) -> Result<Edited, AdminError> {
        caller.needs(Scope::PayloadRead)?;
        caller.needs(Scope::EventsEdit)?;
        let reason = Reason::new(reason)?.get();
        let (original, envelope) = self.editable(caller, delivery, body).await?;
        let (at, actor) = (self.clock.now(), caller.actor());
        let event = EventId::new(at);
        let mut tx = self.store.begin().await?;
        let handlers = self.decide_edit(&mut tx, caller, delivery).await?;
        let envelope = envelope.as_deref();
        let new = NewEdit { id: event, original: original.id, body, envelope, by: actor, at };
        if !tx.insert_edit(&new).await? {
            return Err(AdminError::Conflict("the event no longer exists".to_owned()));
        }
        let pairs: Vec<(i64, String)> =
            handlers.into_iter().map(|handler| (delivery, handler)).collect();
        let created = tx.insert_replays(&pairs, Some(event), at).await?;
        tx.resolve(&[delivery], Resolution::Replayed, at).await?;
        let action = Action::Replay.as_str();
        tx.note(OperatorAction { at, actor, action, reason, job: None }, &[], &created).await?;
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
        let letter = self.store.dead_letters(&[delivery], caller.tenant()).await?.pop();
        let letter = letter.ok_or_else(|| AdminError::NotFound(format!("delivery {delivery}")))?;
        let original = self.store.event(letter.event).await?;
        let original = original
            .ok_or_else(|| AdminError::Conflict("the event no longer exists".to_owned()))?;
        if original.body.len() > MOST_EDITED {
            return Err(too_long());
        }
        if std::str::from_utf8(&original.body).is_err() {
            let text = "the body is not text and cannot be edited";
            return Err(AdminError::Invalid(text.to_owned()));
        }
        Ok(original)
    }

    /// The event of a delivery, if it may be given this body; and what goes around that, where it
    /// came in chunks.
    async fn editable(
        &self,
        caller: &Caller,
        delivery: i64,
        body: &Bytes,
    ) -> Result<(StoredEvent, Option<Vec<u8>>), AdminError> {
        let original = self.original(caller, delivery).await?;
        if body.len() > MOST_EDITED {
            return Err(too_long());
        }
        // A file may hold anything. Every provider that sends whole bodies sends JSON.
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
        let decided = Action::Replay.decide(&locked, &self.routing, false);
        decided.map_err(|refused| AdminError::Conflict(refused.to_string()))
    }
}

/// Whether they are the same JSON but for blanks between its parts: the form writes it out in lines.
fn are_alike(one: &[u8], other: &[u8]) -> bool {
    let lines = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        pretty(text, usize::MAX).ok().map(|lines| lines.text)
    };
    lines(one).is_some_and(|one| Some(one) == lines(other))
}

fn too_long() -> AdminError {
    AdminError::Invalid(format!("an edited body must have at most {MOST_EDITED} bytes"))
}

fn no_envelope() -> AdminError {
    let text = "the event came in chunks, and its envelope has no size and digest";
    AdminError::Invalid(text.to_owned())
}
