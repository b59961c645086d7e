//! The functions of the actions.

use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{ActionResult, Request};
use crate::admin::{AdminError, DeadLetterAction, Refused, Reprocessing};
use crate::store::{DestinationSwitch, PauseTarget};

type Result = std::result::Result<ActionResult, AdminError>;

pub(super) async fn replay(request: Request<'_>) -> Result {
    resolve(&request, DeadLetterAction::Replay).await
}

pub(super) async fn discard(request: Request<'_>) -> Result {
    resolve(&request, DeadLetterAction::Discard).await
}

async fn resolve(request: &Request<'_>, action: DeadLetterAction) -> Result {
    let (reason, id) = (request.reason()?, request.id()?);
    let dead_letters = &request.admin.dead_letters;
    let batch =
        dead_letters.resolve_one(request.caller, action, id, reason, request.option).await?;
    if let Some((_, refused)) = batch.refused.first() {
        return Err(refusal(request, refused));
    }
    let created: Vec<String> = batch.created.iter().map(ToString::to_string).collect();
    let new =
        if created.is_empty() { String::new() } else { format!("; new: {}", created.join(", ")) };
    let message = format!("{} delivery {id}{new}", action.resolution());
    Ok(ActionResult { created: batch.created, ..request.done(message) })
}

/// Why the action does not apply to a delivery.
fn refusal(request: &Request<'_>, refused: &Refused) -> AdminError {
    let is_finished = matches!(refused, Refused::Done | Refused::Resolved(_));
    let detail = if is_finished || matches!(refused, Refused::Unfinished(_)) {
        format!("delivery {} is {refused}", request.id)
    } else {
        refused.to_string()
    };
    match request.action.traits.option.filter(|_| is_finished) {
        Some(option) => AdminError::NeedsOption { detail, option: option.name },
        None => AdminError::Conflict(detail),
    }
}

pub(super) async fn unblock(request: Request<'_>) -> Result {
    let (reason, id) = (request.reason()?, request.id()?);
    request.admin.dead_letters.unblock(request.caller, id, reason).await?;
    Ok(request.done(format!("unblocked the lane of delivery {id}")))
}

pub(super) async fn retry_delivery(request: Request<'_>) -> Result {
    let (reason, id) = (request.reason()?, request.id()?);
    let changed = request.admin.dead_letters.retry_now(request.caller, id, reason).await?;
    let state = if changed { "now" } else { "already, or behind another of its lane" };
    Ok(ActionResult { changed, ..request.done(format!("delivery {id} is due {state}")) })
}

pub(super) async fn pause_source(request: Request<'_>) -> Result {
    pause(&request, PauseTarget::Source).await
}

pub(super) async fn resume_source(request: Request<'_>) -> Result {
    resume(&request, PauseTarget::Source).await
}

pub(super) async fn pause_handler(request: Request<'_>) -> Result {
    pause(&request, PauseTarget::Handler).await
}

pub(super) async fn resume_handler(request: Request<'_>) -> Result {
    resume(&request, PauseTarget::Handler).await
}

async fn pause(request: &Request<'_>, target: PauseTarget) -> Result {
    let pauses = &request.admin.pauses;
    Ok(request.switched(pauses.pause(request.caller, target, request.id, request.reason()?).await?))
}

async fn resume(request: &Request<'_>, target: PauseTarget) -> Result {
    let pauses = &request.admin.pauses;
    Ok(request
        .switched(pauses.resume(request.caller, target, request.id, request.reason()?).await?))
}

pub(super) async fn accept_handshake(request: Request<'_>) -> Result {
    let (handshakes, reason) = (&request.admin.handshakes, request.reason()?);
    let closes_at = handshakes.open(request.caller, request.id, request.value()?, reason).await?;
    let until = closes_at.format(&Rfc3339).unwrap_or_default();
    Ok(request.done(format!("{}: the next handshake until {until} is accepted", request.id)))
}

pub(super) async fn refuse_handshake(request: Request<'_>) -> Result {
    let handshakes = &request.admin.handshakes;
    let changed = handshakes.close(request.caller, request.id, request.reason()?).await?;
    let message = if changed { "no handshake is accepted" } else { "no handshake was accepted" };
    Ok(ActionResult { changed, ..request.done(format!("{}: {message}", request.id)) })
}

pub(super) async fn remove_secret(request: Request<'_>) -> Result {
    let (handshakes, fingerprint) = (&request.admin.handshakes, request.value()?);
    handshakes.remove(request.caller, request.id, fingerprint, request.reason()?).await?;
    Ok(request.done(format!("{}: removed secret {fingerprint}", request.id)))
}

pub(super) async fn reveal_secret(request: Request<'_>) -> Result {
    let handshakes = &request.admin.handshakes;
    let secret = handshakes.reveal(request.caller, request.id, request.reason()?).await?;
    let message = format!("{}: secret {} was read", request.id, secret.fingerprint);
    Ok(ActionResult { changed: false, secret: Some(secret), ..request.done(message) })
}

pub(super) async fn pause_destination(request: Request<'_>) -> Result {
    switch(&request, DestinationSwitch::Pause).await
}

pub(super) async fn resume_destination(request: Request<'_>) -> Result {
    switch(&request, DestinationSwitch::Resume).await
}

pub(super) async fn enable_destination(request: Request<'_>) -> Result {
    switch(&request, DestinationSwitch::Enable).await
}

pub(super) async fn disable_destination(request: Request<'_>) -> Result {
    switch(&request, DestinationSwitch::Disable).await
}

async fn switch(request: &Request<'_>, switch: DestinationSwitch) -> Result {
    let destinations = &request.admin.destinations;
    let changed =
        destinations.switch(request.caller, request.id, switch, request.reason()?).await?;
    let result = request.switched(changed);
    let was = match switch {
        DestinationSwitch::Pause | DestinationSwitch::Disable => return Ok(result),
        DestinationSwitch::Resume => "paused",
        DestinationSwitch::Enable => "disabled",
    };
    // The change is made; this is only for its message.
    let off = destinations.off(request.caller, request.id).await;
    let message = match off.ok().flatten() {
        None => return Ok(result),
        Some(state) if changed => format!("{}; it is still {state}", result.message),
        Some(state) => format!("{} is not {was}; it is {state}", request.id),
    };
    Ok(ActionResult { message, ..result })
}

pub(super) async fn retry_destination(request: Request<'_>) -> Result {
    let due =
        request.admin.destinations.retry_now(request.caller, request.id, request.reason()?).await?;
    let message = match due {
        0 => format!("{}: nothing is waiting", request.id),
        1 => format!("{}: 1 waiting delivery is tried now", request.id),
        many => format!("{}: {many} waiting deliveries are tried now", request.id),
    };
    Ok(ActionResult { count: Some(due), changed: due > 0, ..request.done(message) })
}

pub(super) async fn test_destination(request: Request<'_>) -> Result {
    let response = request.admin.destinations.send_test(request.caller, request.id).await?;
    let message = match (&response.error, response.status) {
        (Some(error), _) => format!("{}: {error}", request.id),
        (None, Some(status)) => format!("{} responded {status}", request.id),
        (None, None) => format!("{} responded", request.id),
    };
    Ok(ActionResult { response: Some(response), ..request.done(message) })
}

pub(super) async fn forget_destination(request: Request<'_>) -> Result {
    let dead =
        request.admin.destinations.forget(request.caller, request.id, request.reason()?).await?;
    let message = format!("{}: {dead} deliveries dead-lettered", request.id);
    Ok(ActionResult { count: Some(dead), changed: dead > 0, ..request.done(message) })
}

pub(super) async fn reprocess(request: Request<'_>) -> Result {
    let (reason, id) = (request.reason()?, request.id::<Uuid>()?);
    Ok(match request.admin.rejected_requests.reprocess(request.caller, id, reason).await? {
        Reprocessing::Accepted(reprocessed) => {
            let outcome = if reprocessed.duplicate { "duplicate of" } else { "accepted as" };
            let message = format!("{outcome} event {}", reprocessed.event);
            let changed = !reprocessed.duplicate;
            ActionResult { event: Some(reprocessed.event), changed, ..request.done(message) }
        }
        Reprocessing::Rejected(explanation) => ActionResult {
            changed: false,
            explanation: Some(*explanation),
            ..request.done("rejected again".to_owned())
        },
    })
}

pub(super) async fn discard_rejected(request: Request<'_>) -> Result {
    let (reason, id) = (request.reason()?, request.id::<Uuid>()?);
    request.admin.rejected_requests.discard(request.caller, id, reason).await?;
    Ok(request.done("discarded 1".to_owned()))
}

pub(super) async fn start_job(request: Request<'_>) -> Result {
    let job = request.admin.jobs.start(request.caller, request.id()?).await?;
    let message = format!("started job {}: up to {} items", job.id, job.goal);
    Ok(ActionResult { count: Some(job.goal), ..request.done(message) })
}

pub(super) async fn cancel_job(request: Request<'_>) -> Result {
    let job = request.admin.jobs.cancel(request.caller, request.id()?, request.reason()?).await?;
    let message = format!("cancelled job {}: {} items were processed", job.id, job.resolved);
    Ok(ActionResult { count: Some(job.resolved), ..request.done(message) })
}

pub(super) async fn revoke_key(request: Request<'_>) -> Result {
    let (key, changed) =
        request.admin.access.revoke_key(request.caller, request.id, request.reason()?).await?;
    let message = if changed {
        format!("revoked {} ({})", key.name, key.id)
    } else {
        format!("{} ({}) is already revoked", key.name, key.id)
    };
    Ok(ActionResult { changed, ..request.done(message) })
}

pub(super) async fn disable_user(request: Request<'_>) -> Result {
    let done =
        request.admin.access.disable_user(request.caller, request.id, request.reason()?).await?;
    let message = format!("disabled {}", done.user.name);
    Ok(ActionResult { ended: Some(done.ended), ..request.done(message) })
}

pub(super) async fn enable_user(request: Request<'_>) -> Result {
    let user =
        request.admin.access.enable_user(request.caller, request.id, request.reason()?).await?;
    Ok(request.done(format!("enabled {}", user.name)))
}

pub(super) async fn reset_user(request: Request<'_>) -> Result {
    let access = &request.admin.access;
    let mut invitation =
        access.reset_user(request.caller, request.id, request.option, request.reason()?).await?;
    let ended = invitation.ended.take();
    let message = format!("reset {}", request.id);
    Ok(ActionResult { invitation: Some(invitation), ended, ..request.done(message) })
}
