//! Handlers of posted forms. `access` has already checked the origin and the CSRF token.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::layout::PageContext;
use super::parts::link_path;
use crate::admin::{Action, AdminError, Reason};
use crate::store::DestinationSwitch;
use crate::web::admin::AdminState;

/// The fields of an action form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    pub(super) reason: String,
}

impl Form {
    /// The reason, which is required.
    pub(super) fn reason(&self) -> Result<&str, AdminError> {
        Reason::new(&self.reason).map(Reason::get)
    }
}

/// Converts the CRLF line endings that browsers send into LF.
pub(super) fn plain_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Replays or discards one delivery, or unblocks its lane.
pub(super) async fn on_delivery(
    cx: PageContext,
    admin: web::Data<AdminState>,
    path: web::Path<(i64, String)>,
    form: web::Form<Form>,
) -> HttpResponse {
    let (id, verb) = path.into_inner();
    let done = async {
        let desk = &admin.dead_letters;
        if verb == "unblock" {
            desk.free(&cx.viewer.caller, id, form.reason()?).await?;
            return Ok(format!("/deliveries/{id}?did=unblocked"));
        }
        let (action, did) = match &*verb {
            "replay" => (Action::Replay, "replayed"),
            "discard" => (Action::Discard, "discarded"),
            _ => return Err(AdminError::NotFound("page at this address".into())),
        };
        let batch = desk.act(&cx.viewer.caller, action, id, form.reason()?, false).await?;
        if let Some((_, refused)) = batch.refused.first() {
            return Err(AdminError::Conflict(refused.to_string()));
        }
        let made = batch.created.first().map(|made| format!("&made={made}")).unwrap_or_default();
        Ok(format!("/deliveries/{id}?did={did}{made}"))
    };
    cx.go_on(done.await)
}

/// Pauses, resumes, enables, disables, tests or retries a destination.
pub(super) async fn on_destination(
    cx: PageContext,
    admin: web::Data<AdminState>,
    path: web::Path<(String, String)>,
    form: web::Form<Form>,
) -> HttpResponse {
    let (name, verb) = path.into_inner();
    let done = async {
        let (desk, caller) = (&admin.destinations, &cx.viewer.caller);
        let page = format!("/destinations/{}", link_path(&name));
        match &*verb {
            "test" => {
                desk.send_test(caller, &name).await?;
                return Ok(format!("{page}?did=tested"));
            }
            "try" => {
                desk.try_now(caller, &name, form.reason()?).await?;
                return Ok(format!("{page}?did=tried"));
            }
            _ => {}
        }
        let all = [
            DestinationSwitch::Pause,
            DestinationSwitch::Resume,
            DestinationSwitch::Disable,
            DestinationSwitch::Enable,
        ];
        let switch = all.into_iter().find(|switch| switch.as_str() == verb);
        let switch = switch.ok_or_else(|| AdminError::NotFound("page at this address".into()))?;
        let changed = desk.switch(caller, &name, switch, form.reason()?).await?;
        let did = if changed { switch.as_str() } else { "unchanged" };
        Ok(format!("{page}?did={did}"))
    };
    cx.go_on(done.await)
}
