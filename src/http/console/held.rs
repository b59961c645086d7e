//! Dealing with held requests: one by one, and many by a job.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::acts::Form;
use super::dealing::given;
use super::desk;
use super::frame::Stage;
use super::pages::held;
use crate::http::operator::Operator;
use crate::operator::{HeldAction, HeldWish, OperatorError, Scope, Verified};

/// Every path of these.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/held/new", web::get().to(new))
        .route("/held/jobs", web::post().to(plan))
        .route("/held/{id}/verify", web::post().to(verify))
        .route("/held/{id}/discard", web::post().to(discard));
}

/// What a job is to be about, as an address or a form says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    action: String,
    source: String,
    cap: String,
    rate: String,
    reason: String,
}

impl Asked {
    fn action(&self) -> Result<HeldAction, OperatorError> {
        match &*self.action {
            "verify" => Ok(HeldAction::Verify),
            "discard" => Ok(HeldAction::Discard),
            _ => Err(OperatorError::Invalid("the action is `verify` or `discard`".to_owned())),
        }
    }

    fn source(&self) -> Option<String> {
        Some(self.source.clone()).filter(|name| !name.is_empty())
    }

    fn wish(&self) -> Result<HeldWish, OperatorError> {
        let reason = Form { reason: self.reason.clone() };
        Ok(HeldWish {
            action: self.action()?,
            source: self.source(),
            cap: given("number of requests", &self.cap)?,
            rate: given("number of requests in a second", &self.rate)?,
            reason: reason.reason()?.to_owned(),
        })
    }
}

async fn new(stage: Stage, query: web::Query<Asked>) -> HttpResponse {
    let view = || -> Result<held::New, OperatorError> {
        stage.viewer.caller.needs(Scope::SecretsWrite)?;
        let action = match query.action()? {
            HeldAction::Verify => "verify",
            HeldAction::Discard => "discard",
        };
        Ok(held::New { action, source: query.source() })
    };
    stage.answer(view().map(|view| held::new(&stage, &view)))
}

async fn plan(stage: Stage, operator: web::Data<Operator>, form: web::Form<Asked>) -> HttpResponse {
    let planned = async {
        let plan = operator.jobs.plan_held(&stage.viewer.caller, &form.wish()?).await?;
        Ok(format!("/jobs/{}", plan.job.id))
    };
    stage.go_on(planned.await)
}

/// Verifies a held request again.
async fn verify(
    stage: Stage,
    operator: web::Data<Operator>,
    text: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let id = desk::held_id(&text)?;
        let held = &operator.held;
        match held.verify(&stage.viewer.caller, id, form.reason()?).await? {
            Verified::Admitted(event) => Ok(format!("/events/{}?did=verified", event.event)),
            Verified::Refused(explained) => Err(OperatorError::Conflict(explained.text)),
        }
    };
    stage.go_on(done.await)
}

/// Removes a held request before its time.
async fn discard(
    stage: Stage,
    operator: web::Data<Operator>,
    text: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let (held, id) = (&operator.held, desk::held_id(&text)?);
        held.discard(&stage.viewer.caller, id, form.reason()?).await?;
        Ok("/held?did=held-discarded".to_owned())
    };
    stage.go_on(done.await)
}
