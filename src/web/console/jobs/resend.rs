//! The form that plans a job on the deliveries of events.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use strum::VariantArray as _;

use super::plan::{limits, parse};
use crate::admin::{
    AdminError, EventSelection, Reason, ResendAction, ResendRequest, ResendState, Scope,
};
use crate::web::admin::AdminState;
use crate::web::console::events::parse_time;
use crate::web::console::layout::{Head, PageContext, Section};
use crate::web::console::parts::{Choice, field, panel, post, select};

/// The fields of the form, from a query or a posted form; empty fields are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web::console) struct ResendForm {
    pub(in crate::web::console) action: String,
    pub(in crate::web::console) source: String,
    pub(in crate::web::console) handler: String,
    pub(in crate::web::console) r#type: String,
    pub(in crate::web::console) state: String,
    /// Received at or after this time, as typed.
    pub(in crate::web::console) since: String,
    /// Received before this time, as typed.
    pub(in crate::web::console) until: String,
    pub(in crate::web::console) cap: String,
    pub(in crate::web::console) rate: String,
    pub(in crate::web::console) reason: String,
}

impl ResendForm {
    fn request(&self) -> Result<ResendRequest, AdminError> {
        Ok(ResendRequest {
            action: parse("action", &self.action)?.unwrap_or(ResendAction::Resend),
            selection: EventSelection {
                source: parse("source", &self.source)?,
                handler: parse("handler", &self.handler)?,
                event_type: parse("type", &self.r#type)?,
                state: parse("state", &self.state)?.unwrap_or_default(),
                from: parse_time(&self.since)?,
                until: parse_time(&self.until)?,
            },
            cap: parse("limit", &self.cap)?,
            rate: parse("rate", &self.rate)?,
            reason: Reason::new(&self.reason)?.into(),
        })
    }
}

pub(super) async fn new(cx: PageContext, form: web::Query<ResendForm>) -> HttpResponse {
    let allowed = cx.viewer.caller.needs(Scope::EventsReplay);
    cx.answer(allowed.map(|()| page(&cx, &form)).map_err(Into::into))
}

pub(super) async fn create(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Form<ResendForm>,
) -> HttpResponse {
    let planned = async {
        let plan = admin.jobs.plan_resend(&cx.viewer.caller, &form.request()?).await?;
        Ok(format!("/jobs/{}", plan.job.id))
    };
    cx.redirect(planned.await)
}

/// The page with the form.
pub(in crate::web::console) fn page(cx: &PageContext, form: &ResendForm) -> Markup {
    let head = Head {
        title: "Resend events",
        lead: "Deliver events again, back-fill a new destination, or retry waiting deliveries.",
        section: Some(Section::Jobs),
        below: true,
        ..Head::default()
    };
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let actions = [
        choice("resend", "Resend: a new delivery of each event"),
        choice("retry_now", "Retry now: attempt waiting deliveries"),
    ];
    let states = ResendState::VARIANTS.iter().map(|state| {
        choice(
            state.as_str(),
            match state {
                ResendState::Any => "any",
                ResendState::Done => "done",
                ResendState::Dead => "dead letter",
                ResendState::Missing => "missing: the handler never got the event",
            },
        )
    });
    let states: Vec<Choice> = states.collect();
    cx.page(&head, &html! {
        (panel("Job", &html! { "Empty fields select everything" }, &post(cx, "/jobs/resend", "form", &html! {
            (select("action", "action", "Action", &actions, &form.action))
            div .grid {
                (field("source", "Source", "", &html! {
                    input #source name="source" value=(form.source) maxlength="100" autocomplete="off";
                }))
                (field("handler", "Handler", "to: and the name of a destination", &html! {
                    input #handler name="handler" value=(form.handler) maxlength="100"
                          autocomplete="off" aria-describedby="handler-hint";
                }))
                (field("type", "Type", "A trailing * matches any suffix", &html! {
                    input #type name="type" value=(form.r#type) maxlength="200" autocomplete="off"
                          aria-describedby="type-hint";
                }))
                (select("state", "state", "Latest delivery", &states, &form.state))
                (field("since", "Received since (UTC)", "", &html! {
                    input #since type="datetime-local" name="since" value=(form.since);
                }))
                (field("until", "Received before (UTC)", "", &html! {
                    input #until type="datetime-local" name="until" value=(form.until);
                }))
            }
            (limits("Protects the receiver; empty for no limit"))
            p .muted { "The next page is a dry run: it shows what would be done. Nothing is changed until you start the job." }
            div .actions { button .first { "Plan job" } }
        })))
    })
}
