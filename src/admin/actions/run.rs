//! The functions of the actions.

use uuid::Uuid;

use super::{ActionResult, Request};
use crate::admin::{Action as Resolve, AdminError, Verified};
use crate::store::{DestinationSwitch, PauseTarget};

type Result = std::result::Result<ActionResult, AdminError>;

pub(super) async fn replay(ask: Request<'_>) -> Result {
    resolve(&ask, Resolve::Replay).await
}

pub(super) async fn discard(ask: Request<'_>) -> Result {
    resolve(&ask, Resolve::Discard).await
}

async fn resolve(ask: &Request<'_>, action: Resolve) -> Result {
    let (reason, id) = (ask.reason()?, ask.id()?);
    let dead_letters = &ask.admin.dead_letters;
    let batch = dead_letters.act(ask.caller, action, id, reason, ask.option).await?;
    if let Some((_, refused)) = batch.refused.first() {
        return Err(AdminError::Conflict(refused.to_string()));
    }
    let created: Vec<String> = batch.created.iter().map(ToString::to_string).collect();
    let new =
        if created.is_empty() { String::new() } else { format!("; new: {}", created.join(", ")) };
    let message = format!("{} delivery {id}{new}", action.resolution());
    Ok(ActionResult { created: batch.created, ..ask.done(message) })
}

pub(super) async fn unblock(ask: Request<'_>) -> Result {
    let (reason, id) = (ask.reason()?, ask.id()?);
    ask.admin.dead_letters.unblock(ask.caller, id, reason).await?;
    Ok(ask.done(format!("unblocked the lane of delivery {id}")))
}

pub(super) async fn pause_source(ask: Request<'_>) -> Result {
    pause(&ask, PauseTarget::Source).await
}

pub(super) async fn resume_source(ask: Request<'_>) -> Result {
    resume(&ask, PauseTarget::Source).await
}

pub(super) async fn pause_handler(ask: Request<'_>) -> Result {
    pause(&ask, PauseTarget::Handler).await
}

pub(super) async fn resume_handler(ask: Request<'_>) -> Result {
    resume(&ask, PauseTarget::Handler).await
}

async fn pause(ask: &Request<'_>, target: PauseTarget) -> Result {
    let pauses = &ask.admin.pauses;
    Ok(ask.switched(pauses.pause(ask.caller, target, ask.id, ask.reason()?).await?))
}

async fn resume(ask: &Request<'_>, target: PauseTarget) -> Result {
    let pauses = &ask.admin.pauses;
    Ok(ask.switched(pauses.resume(ask.caller, target, ask.id, ask.reason()?).await?))
}

pub(super) async fn pause_destination(ask: Request<'_>) -> Result {
    switch(&ask, DestinationSwitch::Pause).await
}

pub(super) async fn resume_destination(ask: Request<'_>) -> Result {
    switch(&ask, DestinationSwitch::Resume).await
}

pub(super) async fn enable_destination(ask: Request<'_>) -> Result {
    switch(&ask, DestinationSwitch::Enable).await
}

pub(super) async fn disable_destination(ask: Request<'_>) -> Result {
    switch(&ask, DestinationSwitch::Disable).await
}

async fn switch(ask: &Request<'_>, switch: DestinationSwitch) -> Result {
    let destinations = &ask.admin.destinations;
    Ok(ask.switched(destinations.switch(ask.caller, ask.id, switch, ask.reason()?).await?))
}

pub(super) async fn try_destination(ask: Request<'_>) -> Result {
    let due = ask.admin.destinations.try_now(ask.caller, ask.id, ask.reason()?).await?;
    let message = format!("{}: {due} deliveries are due now", ask.id);
    Ok(ActionResult { count: Some(due), ..ask.done(message) })
}

pub(super) async fn test_destination(ask: Request<'_>) -> Result {
    let response = ask.admin.destinations.send_test(ask.caller, ask.id).await?;
    let message = match (&response.error, response.status) {
        (Some(error), _) => format!("{}: {error}", ask.id),
        (None, Some(status)) => format!("{} responded {status}", ask.id),
        (None, None) => format!("{} responded", ask.id),
    };
    Ok(ActionResult { response: Some(response), ..ask.done(message) })
}

pub(super) async fn forget_destination(ask: Request<'_>) -> Result {
    let dead = ask.admin.destinations.forget(ask.caller, ask.id, ask.reason()?).await?;
    let message = format!("{}: {dead} deliveries dead-lettered", ask.id);
    Ok(ActionResult { count: Some(dead), changed: dead > 0, ..ask.done(message) })
}

pub(super) async fn reprocess(ask: Request<'_>) -> Result {
    let (reason, id) = (ask.reason()?, ask.id::<Uuid>()?);
    Ok(match ask.admin.rejected_requests.verify(ask.caller, id, reason).await? {
        Verified::Admitted(reprocessed) => {
            let outcome = if reprocessed.duplicate { "duplicate of" } else { "accepted as" };
            let message = format!("{outcome} event {}", reprocessed.event);
            let changed = !reprocessed.duplicate;
            ActionResult { event: Some(reprocessed.event), changed, ..ask.done(message) }
        }
        Verified::Refused(explanation) => ActionResult {
            changed: false,
            explanation: Some(*explanation),
            ..ask.done("rejected again".to_owned())
        },
    })
}

pub(super) async fn discard_rejected(ask: Request<'_>) -> Result {
    let (reason, id) = (ask.reason()?, ask.id::<Uuid>()?);
    ask.admin.rejected_requests.discard(ask.caller, id, reason).await?;
    Ok(ask.done("discarded 1".to_owned()))
}

pub(super) async fn start_job(ask: Request<'_>) -> Result {
    let job = ask.admin.jobs.start(ask.caller, ask.id()?).await?;
    let message = format!("started job {}: up to {} items", job.id, job.goal);
    Ok(ActionResult { count: Some(job.goal), ..ask.done(message) })
}

pub(super) async fn cancel_job(ask: Request<'_>) -> Result {
    let job = ask.admin.jobs.cancel(ask.caller, ask.id()?, ask.reason()?).await?;
    let message = format!("cancelled job {}: {} items were processed", job.id, job.resolved);
    Ok(ActionResult { count: Some(job.resolved), ..ask.done(message) })
}

pub(super) async fn revoke_key(ask: Request<'_>) -> Result {
    let (key, changed) = ask.admin.access.revoke_key(ask.caller, ask.id, ask.reason()?).await?;
    let message = format!("revoked {} ({})", key.name, key.id);
    Ok(ActionResult { changed, ..ask.done(message) })
}

pub(super) async fn disable_user(ask: Request<'_>) -> Result {
    let done = ask.admin.access.disable_user(ask.caller, ask.id, ask.reason()?).await?;
    let message = format!("disabled {}", done.user.name);
    Ok(ActionResult { ended: Some(done.ended), ..ask.done(message) })
}

pub(super) async fn enable_user(ask: Request<'_>) -> Result {
    let user = ask.admin.access.enable_user(ask.caller, ask.id, ask.reason()?).await?;
    Ok(ask.done(format!("enabled {}", user.name)))
}

pub(super) async fn reset_user(ask: Request<'_>) -> Result {
    let access = &ask.admin.access;
    let mut invitation = access.reset_user(ask.caller, ask.id, ask.option, ask.reason()?).await?;
    let ended = invitation.ended.take();
    let message = format!("reset {}", ask.id);
    Ok(ActionResult { invitation: Some(invitation), ended, ..ask.done(message) })
}
