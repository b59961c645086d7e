//! Handlers that reprocess or discard rejected requests, one by one or as a job.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::acts::Form;
use super::dealing::given;
use super::layout::PageContext;
use super::pages::rejected_requests;
use super::present;
use crate::admin::{AdminError, RejectedAction, RejectedBulkRequest, Scope, Verified};
use crate::web::admin::AdminState;

/// The routes.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/rejected-requests/new", web::get().to(new))
        .route("/rejected-requests/jobs", web::post().to(plan))
        .route("/rejected-requests/{id}/verify", web::post().to(verify))
        .route("/rejected-requests/{id}/discard", web::post().to(discard));
}

/// The selection of a job, from a query or a form.
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
    fn action(&self) -> Result<RejectedAction, AdminError> {
        match &*self.action {
            "verify" => Ok(RejectedAction::Verify),
            "discard" => Ok(RejectedAction::Discard),
            _ => Err(AdminError::Invalid(
                "unknown action; expected `verify` or `discard`".to_owned(),
            )),
        }
    }

    fn source(&self) -> Option<String> {
        Some(self.source.clone()).filter(|name| !name.is_empty())
    }

    fn wish(&self) -> Result<RejectedBulkRequest, AdminError> {
        let reason = Form { reason: self.reason.clone() };
        Ok(RejectedBulkRequest {
            action: self.action()?,
            source: self.source(),
            cap: given("limit", &self.cap)?,
            rate: given("rate", &self.rate)?,
            reason: reason.reason()?.to_owned(),
        })
    }
}

async fn new(cx: PageContext, query: web::Query<Asked>) -> HttpResponse {
    let view = || -> Result<rejected_requests::New, AdminError> {
        cx.viewer.caller.needs(Scope::SecretsWrite)?;
        let action = match query.action()? {
            RejectedAction::Verify => "verify",
            RejectedAction::Discard => "discard",
        };
        Ok(rejected_requests::New { action, source: query.source() })
    };
    cx.answer(view().map(|view| rejected_requests::new(&cx, &view)))
}

async fn plan(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Form<Asked>,
) -> HttpResponse {
    let planned = async {
        let plan = admin.jobs.plan_rejected(&cx.viewer.caller, &form.wish()?).await?;
        Ok(format!("/jobs/{}", plan.job.id))
    };
    cx.go_on(planned.await)
}

/// Reprocesses a rejected request.
async fn verify(
    cx: PageContext,
    admin: web::Data<AdminState>,
    text: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let id = present::held_id(&text)?;
        let held = &admin.rejected_requests;
        match held.verify(&cx.viewer.caller, id, form.reason()?).await? {
            Verified::Admitted(event) => Ok(format!("/events/{}?did=verified", event.event)),
            Verified::Refused(explained) => Err(AdminError::Conflict(explained.text)),
        }
    };
    cx.go_on(done.await)
}

/// Deletes a rejected request before the end of its retention.
async fn discard(
    cx: PageContext,
    admin: web::Data<AdminState>,
    text: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let (held, id) = (&admin.rejected_requests, present::held_id(&text)?);
        held.discard(&cx.viewer.caller, id, form.reason()?).await?;
        Ok("/rejected-requests?did=held-discarded".to_owned())
    };
    cx.go_on(done.await)
}
