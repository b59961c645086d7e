//! The actions on events: their rows of the catalogue, and their functions.

use super::{Action, ActionOption, ActionResult, Noun, Request, Traits};
use crate::admin::{AdminError, ErasureRequest, Repeat, Scope, SubjectSelection};
use crate::store::EventId;

pub(super) const ERASE: Action = Action {
    noun: Noun::Event,
    verb: "erase",
    operation: "eraseEvent",
    title: "Erase the payload of an event",
    label: "Erase",
    effect: "Headers, claims, body, error texts and everything derived from them go, also of \
             edited copies. Id, times, source, type and the digest of the body stay. This cannot be \
             undone.",
    done: "Erased: the payload and everything derived from it is gone.",
    scope: Scope::EventsErase,
    repeat: Repeat::Repeatable,
    traits: Traits {
        danger: true,
        option: Some(ActionOption {
            name: "force",
            effect: "Also erase an event that is not finished: its unfinished deliveries and \
                     open dead letters are discarded.",
        }),
        ..Traits::PLAIN
    },
    run: |request| Box::pin(erase(request)),
};

async fn erase(request: Request<'_>) -> Result<ActionResult, AdminError> {
    let (reason, id) = (request.reason()?, EventId(request.id()?));
    let (store, caller) = (&request.admin.store, request.caller);
    let Some(event) = store.event_summaries(&[id], caller.tenant()).await?.pop() else {
        return Err(AdminError::NotFound(format!("event {id}")));
    };
    if let Some(erasure) = event.erased {
        let message = format!("event {id} was already {erasure}");
        return Ok(ActionResult { changed: false, ..request.done(message) });
    }
    let erasure = ErasureRequest {
        selection: &SubjectSelection::of(id),
        reason: Some(reason),
        discard_unfinished: request.option,
    };
    let erased = request.admin.personal_data.erase(caller, erasure, |_| ()).await?;
    if let Some(open) = erased.unfinished.first() {
        let detail =
            format!("event {id} is not finished: delivery {} is {}", open.delivery, open.state);
        return Err(AdminError::NeedsOption { detail, option: "force" });
    }
    let message = match erased.events {
        1 => format!("erased event {id}"),
        many => format!("erased event {id}; edited copies: {}", many.saturating_sub(1)),
    };
    Ok(ActionResult { count: Some(erased.events), ..request.done(message) })
}
