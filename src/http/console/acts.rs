//! What is done by posting a form. Every one comes from a page of ours, or is refused.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::frame::Stage;
use super::parts::link_path;
use crate::http::health::Operator;
use crate::operator::{Action, OperatorError};
use crate::store::Switch;

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// What the forms of acts hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Form {
    pub(super) reason: String,
}

impl Form {
    /// The reason, which there must be.
    pub(super) fn reason(&self) -> Result<&str, OperatorError> {
        let reason = self.reason.trim();
        if reason.is_empty() {
            return Err(OperatorError::Invalid(
                "a reason is needed: the audit log keeps it".into(),
            ));
        }
        if reason.chars().count() > MAX_REASON {
            let text = format!("a reason has at most {MAX_REASON} characters");
            return Err(OperatorError::Invalid(text));
        }
        Ok(reason)
    }
}

/// Refuses what another site made a browser send. A browser that says where a form comes from is
/// believed; one that does not must name us as its origin, if it names any. On our own pages the
/// origin is `null`, since they send no referrer.
pub(super) fn from_us(request: &HttpRequest) -> Result<(), OperatorError> {
    let value = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let ours = match (value("sec-fetch-site"), value("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == value(header::HOST.as_str())
        }
        (None, None) => true,
    };
    if ours {
        Ok(())
    } else {
        Err(OperatorError::Invalid("this form was not sent from a page of this console".into()))
    }
}

/// Browsers end lines as Windows does, whatever was in the text.
pub(super) fn plain_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Replays or discards one delivery, or frees the lane that it holds.
pub(super) async fn on_delivery(
    request: HttpRequest,
    stage: Stage,
    operator: web::Data<Operator>,
    path: web::Path<(i64, String)>,
    form: web::Form<Form>,
) -> HttpResponse {
    let (id, verb) = path.into_inner();
    let done = async {
        from_us(&request)?;
        let desk = &operator.console.dead_letters;
        if verb == "free" {
            desk.free(&stage.viewer.caller, id, form.reason()?).await?;
            return Ok(format!("/deliveries/{id}?did=freed"));
        }
        let (action, did) = match &*verb {
            "replay" => (Action::Replay, "replayed"),
            "discard" => (Action::Discard, "discarded"),
            _ => return Err(OperatorError::NotFound("page at this address".into())),
        };
        let batch = desk.act(&stage.viewer.caller, action, id, form.reason()?, false).await?;
        if let Some((_, refused)) = batch.refused.first() {
            return Err(OperatorError::Conflict(refused.to_string()));
        }
        Ok(format!("/deliveries/{id}?did={did}"))
    };
    stage.go_on(done.await)
}

/// Holds a destination back, or lets it go on.
pub(super) async fn on_destination(
    request: HttpRequest,
    stage: Stage,
    operator: web::Data<Operator>,
    path: web::Path<(String, String)>,
    form: web::Form<Form>,
) -> HttpResponse {
    let (name, verb) = path.into_inner();
    let done = async {
        from_us(&request)?;
        let all = [Switch::Pause, Switch::Resume, Switch::Disable, Switch::Enable];
        let switch = all.into_iter().find(|switch| switch.as_str() == verb);
        let switch =
            switch.ok_or_else(|| OperatorError::NotFound("page at this address".into()))?;
        let (desk, caller) = (&operator.console.destinations, &stage.viewer.caller);
        let changed = desk.switch(caller, &name, switch, form.reason()?).await?;
        let did = if changed { switch.as_str() } else { "unchanged" };
        Ok(format!("/destinations?did={did}#{}", link_path(&name)))
    };
    stage.go_on(done.await)
}
