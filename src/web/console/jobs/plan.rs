//! The form that plans a job on dead letters.

use std::str::FromStr;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;

use crate::admin::{
    AdminError, BulkRequest, Caller, DeadLetterAction, Filter, Reason, Scope, Selection,
};
use crate::store::DeathReason;
use crate::web::admin::AdminState;
use crate::web::console::layout::{Head, PageContext, Section};
use crate::web::console::parts::{Choice, count, field, panel, post, select};

/// The fields of a job, from a query or a form; empty fields are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobForm {
    action: String,
    group: String,
    class: String,
    source: String,
    handler: String,
    death_reason: String,
    cap: String,
    rate: String,
    reason: String,
}

pub(in crate::web::console) struct NewJob {
    /// The action that is selected first.
    pub(in crate::web::console) action: DeadLetterAction,
    /// The selection, in words.
    pub(in crate::web::console) target: String,
    /// The number of current matches.
    pub(in crate::web::console) matched: u64,
    /// The selection, as form fields.
    pub(in crate::web::console) fields: Vec<(&'static str, String)>,
}

/// Parses a field; `None` if it is empty.
pub(in crate::web::console) fn parse<T: FromStr>(
    name: &str,
    text: &str,
) -> Result<Option<T>, AdminError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value = text.parse().map(Some);
    value.map_err(|_| AdminError::Invalid(format!("invalid {name} `{text}`")))
}

impl JobForm {
    /// The action; `replay` by default.
    fn action(&self) -> Result<DeadLetterAction, AdminError> {
        let word = if self.action.is_empty() { "replay" } else { &*self.action };
        let unknown =
            |_| AdminError::Invalid("unknown action; expected `replay` or `discard`".to_owned());
        word.parse().map_err(unknown)
    }

    /// The selected dead letters.
    fn selection(&self) -> Result<Selection, AdminError> {
        Ok(Selection::Matching(Filter {
            group: parse("group", &self.group)?,
            class: parse("class", &self.class)?,
            source: parse("source", &self.source)?,
            handler: parse("handler", &self.handler)?,
            death_reason: parse::<DeathReason>("reason", &self.death_reason)?,
            ..Filter::default()
        }))
    }

    fn request(&self) -> Result<BulkRequest, AdminError> {
        Ok(BulkRequest {
            action: self.action()?,
            selection: self.selection()?,
            cap: parse("limit", &self.cap)?,
            rate: parse("rate", &self.rate)?,
            reason: Reason::new(&self.reason)?.into(),
            force: false,
        })
    }

    /// The fields of the selection that are not empty.
    fn selected(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("group", &self.group),
            ("class", &self.class),
            ("source", &self.source),
            ("handler", &self.handler),
            ("death_reason", &self.death_reason),
        ];
        let fields = fields.into_iter().filter(|(_, value)| !value.trim().is_empty());
        fields.map(|(name, value)| (name, value.clone())).collect()
    }
}

pub(super) async fn new(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Query<JobForm>,
) -> HttpResponse {
    cx.show(read(&admin, &cx.viewer.caller, &form), page).await
}

async fn read(admin: &AdminState, caller: &Caller, form: &JobForm) -> Result<NewJob, AdminError> {
    caller.needs(Scope::EventsReplay)?;
    let (selection, action) = (form.selection()?, form.action()?);
    let matched = admin.dead_letters.count(caller, &selection).await?;
    Ok(NewJob { action, target: selection.to_string(), matched, fields: form.selected() })
}

pub(super) async fn create(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Form<JobForm>,
) -> HttpResponse {
    let planned = async {
        let plan = admin.jobs.plan(&cx.viewer.caller, &form.request()?).await?;
        Ok(format!("/jobs/{}", plan.job.id))
    };
    cx.redirect(planned.await)
}

/// The page with the form.
pub(in crate::web::console) fn page(cx: &PageContext, new: &NewJob) -> Markup {
    let head = Head {
        title: "Plan a job",
        lead: &new.target,
        section: Some(Section::Jobs),
        below: true,
        ..Head::default()
    };
    let choice = |value: &str, label: &str| Choice { value: value.into(), label: label.into() };
    let actions = [choice("replay", "Replay"), choice("discard", "Discard")];
    cx.page(&head, &html! {
        (panel("Job", &html! {
            (count(new.matched, "dead letter matches", "dead letters match")) " now"
        }, &post(cx, "/jobs", "form", &html! {
            @for (name, value) in &new.fields { input type="hidden" name=(name) value=(value); }
            (select("action", "action", "Action", &actions, new.action.as_str()))
            (limits("Protects the receiver; empty for no limit"))
            p .muted { "The next page is a dry run: it shows what would be done. Nothing is changed until you start the job." }
            div .actions { button .first { "Plan job" } }
        })))
    })
}

/// The fields for the limits and the reason of a job.
pub(in crate::web::console) fn limits(rate_hint: &str) -> Markup {
    html! {
        div .grid {
            (field("cap", "Limit", "Oldest first; empty for all", &html! {
                input #cap name="cap" type="number" min="1" max="4000000000"
                      aria-describedby="cap-hint";
            }))
            (field("rate", "Rate per second", rate_hint, &html! {
                input #rate name="rate" type="number" min="1" max="100000"
                      aria-describedby="rate-hint";
            }))
        }
        (field("reason", "Reason", "Recorded in the audit log.", &html! {
            input #reason name="reason" required maxlength="500" autocomplete="off"
                  aria-describedby="reason-hint";
        }))
    }
}
