//! Views of the groups, jobs and pauses.

use super::super::dealing::{Asked, GroupsQuery};
use super::super::pages::{groups, jobs, pauses};
use super::super::parts::{Facet, FacetValue, Pager, count, number};
use super::row;
use crate::admin::{
    Action, AdminError, Caller, Class, Group, GroupSelection, Job, JobAction, JobState, Paging,
    PauseStatus, RejectedAction, Scope,
};
use crate::store::JobOutcomes;
use crate::web::admin::AdminState;

/// Rows of a page.
const ROWS: u32 = 50;
/// Groups per class when all classes are shown.
const FEW: u32 = 10;

/// The groups: the largest of every class, or all of one class.
pub(in crate::web::console) async fn groups(
    admin: &AdminState,
    caller: &Caller,
    query: &GroupsQuery,
) -> Result<groups::View, AdminError> {
    caller.needs(Scope::EventsRead)?;
    let invalid = |error: &dyn std::error::Error| AdminError::Invalid(error.to_string());
    let class = Some(&*query.class).filter(|word| !word.is_empty());
    let class = class.map(str::parse::<Class>).transpose().map_err(|error| invalid(&error))?;
    let after = Some(&*query.after).filter(|text| !text.is_empty());
    let after = after.map(str::parse).transpose()?;
    let resolved = query.which == "all";
    let shown: Vec<Class> = class.map_or(Class::ALL.to_vec(), |class| vec![class]);
    let limit = if class.is_some() { ROWS } else { FEW };
    let mut classes = Vec::new();
    for one in shown {
        let selection = GroupSelection { class: Some(one), resolved, ..GroupSelection::default() };
        let page = admin.groups.list(caller, &selection, after, limit).await?;
        let here = address(Some(one), resolved);
        let open: u64 = page.groups.iter().map(|group| group.open).sum();
        classes.push(groups::OfClass {
            name: name(one),
            asks: asks(one),
            plan: (open > 0).then(|| format!("/jobs/new?class={one}")),
            pager: Pager {
                shown: count(page.groups.len() as u64, "group on this page", "groups on this page")
                    + ", most open dead letters first",
                first: after.map(|_| here.clone()),
                next: page.next.map(|next| format!("{here}&after={next}")),
            },
            rows: page.groups.into_iter().map(group_row).collect(),
        });
    }
    let counts = admin.groups.by_class(caller).await?;
    let open = |class: Class| counts.iter().find(|(one, _)| *one == class).map_or(0, |(_, n)| *n);
    let values = Class::ALL.into_iter().map(|one| FacetValue {
        label: name(one).to_owned(),
        count: Some(open(one)),
        href: address(Some(one).filter(|_| class != Some(one)), resolved),
        chosen: class == Some(one),
    });
    let which = [("open", false), ("open and resolved", true)].map(|(label, all)| FacetValue {
        label: label.to_owned(),
        count: None,
        href: address(class, all),
        chosen: resolved == all,
    });
    let facets = vec![
        Facet { label: "Class", values: values.collect() },
        Facet { label: "Show", values: which.into() },
    ];
    Ok(groups::View { facets, classes })
}

fn address(class: Option<Class>, resolved: bool) -> String {
    let class = class.map_or(String::new(), |class| class.to_string());
    format!("/dead-letters?class={class}&which={}", if resolved { "all" } else { "" })
}

fn name(class: Class) -> &'static str {
    match class {
        Class::Handler => "Handler failures",
        Class::Destination => "Destination failures",
        Class::Content => "Quarantined content",
        Class::Transfer => "Expired transfers",
        Class::Internal => "Internal errors",
    }
}

fn asks(class: Class) -> &'static str {
    match class {
        Class::Handler => {
            "A handler failed or reported a permanent error. Fix the handler, then replay."
        }
        Class::Destination => {
            "The destination did not accept the event. Fix the destination, then replay."
        }
        Class::Content => "Authentic but not processable. Edit the event, or contact the sender.",
        Class::Transfer => "A chunked payload stayed incomplete. The sender has to send it again.",
        Class::Internal => "An internal error; see the log. A replay is safe.",
    }
}

fn group_row(group: Group) -> groups::Group {
    groups::Group {
        id: group.id,
        class: name(group.class),
        source: group.source,
        handler: group.handler,
        reason: group.death_reason,
        title: group.title,
        is_various: group.is_various,
        open: group.open,
        total: group.total,
        first_at: group.first_at,
        last_at: group.last_at,
        sample: group.sample,
        course: group.trend,
    }
}

/// One group.
pub(in crate::web::console) async fn group(
    admin: &AdminState,
    caller: &Caller,
    id: i64,
    before: Option<i64>,
) -> Result<groups::One, AdminError> {
    let found = admin.groups.show(caller, id).await?;
    let asks = asks(found.class);
    let asked = Asked { group: id.to_string(), ..Asked::default() };
    let paging = Paging { before, ..Paging::first(ROWS) };
    let page = admin.dead_letters.list(caller, &asked.selection()?, paging).await?;
    let here = format!("/dead-letters/groups/{id}");
    let may_see = caller.may(Scope::PayloadRead);
    let shown = page.letters.len();
    Ok(groups::One {
        pager: Pager {
            shown: format!("{shown} on this page, {} open, newest first", number(found.open)),
            first: before.map(|_| here.clone()),
            next: page.older.map(|older| format!("{here}?before={older}")),
        },
        group: group_row(found),
        rows: page.letters.into_iter().map(|letter| row(letter, may_see)).collect(),
        asks,
    })
}

/// The jobs, newest first.
pub(in crate::web::console) async fn jobs(
    admin: &AdminState,
    caller: &Caller,
    before: Option<i64>,
) -> Result<jobs::View, AdminError> {
    let mut listed = admin.jobs.list(caller, before, ROWS + 1).await?;
    let more = listed.len() > ROWS as usize;
    listed.truncate(ROWS as usize);
    let next = listed.last().filter(|_| more).map(|job| format!("/jobs?before={}", job.id));
    let shown = count(listed.len() as u64, "job", "jobs") + " on this page, newest first";
    let pager = Pager { shown, first: before.map(|_| "/jobs".to_owned()), next };
    Ok(jobs::View { rows: listed.into_iter().map(shown_job).collect(), pager })
}

fn shown_job(job: Job) -> jobs::Job {
    jobs::Job {
        id: job.id,
        action: job.action.verb(),
        things: if job.action.is_about_rejected() {
            ("rejected request", "rejected requests")
        } else {
            ("dead letter", "dead letters")
        },
        scope: job.action.scope(),
        verifiable: job.verifiable,
        state: job.state.as_str(),
        is_plan: job.state == JobState::Planned,
        is_running: job.state == JobState::Running,
        matched: job.matched,
        goal: job.goal(),
        done: job.resolved + job.refused,
        planned: (job.planned_by, job.planned_at),
        started: job.started_by.zip(job.started_at),
        cancelled_by: job.cancelled_by,
        target: job.target,
        reason: job.reason,
        finished_at: job.finished_at,
        failure: job.failure,
        cap: job.cap,
        rate: job.rate,
    }
}

/// One job.
pub(in crate::web::console) async fn job(
    admin: &AdminState,
    caller: &Caller,
    id: i64,
) -> Result<jobs::One, AdminError> {
    let detail = admin.jobs.show(caller, id).await?;
    let may_see = caller.may(Scope::PayloadRead);
    Ok(jobs::One {
        until: detail.job.expires_at,
        outcomes: outcomes(&detail.job, detail.delivery_outcomes),
        refusals: detail.job.refusals.clone(),
        sample: detail.sample.into_iter().map(|letter| row(letter, may_see)).collect(),
        rejected_requests: detail
            .rejected_requests
            .iter()
            .map(|one| super::rejected_requests::row(one, String::new()))
            .collect(),
        command: format!("sealpost jobs show {id}"),
        job: shown_job(detail.job),
    })
}

fn outcomes(job: &Job, delivery_outcomes: JobOutcomes) -> Vec<(&'static str, u64)> {
    let mut outcomes = Vec::new();
    match job.action {
        JobAction::Letters(Action::Replay) => {
            outcomes.push(("Replayed", job.resolved));
            outcomes.push(("Done", delivery_outcomes.done.unsigned_abs()));
            outcomes.push(("Dead-lettered again", delivery_outcomes.dead.unsigned_abs()));
            outcomes.push(("In progress", delivery_outcomes.waiting.unsigned_abs()));
        }
        JobAction::Held(RejectedAction::Verify) => {
            outcomes.push(("New events", job.created));
            outcomes.push(("Duplicates", job.resolved.saturating_sub(job.created)));
        }
        JobAction::Letters(Action::Discard) | JobAction::Held(RejectedAction::Discard) => {
            outcomes.push(("Discarded", job.resolved));
        }
    }
    outcomes.push(("Skipped", job.refused));
    outcomes
}

/// The form that plans a job.
pub(in crate::web::console) async fn new_job(
    admin: &AdminState,
    caller: &Caller,
    asked: &Asked,
) -> Result<jobs::New, AdminError> {
    caller.needs(Scope::EventsReplay)?;
    let selection = asked.selection()?;
    let action = asked.action()?.as_str();
    let matched = admin.dead_letters.count(caller, &selection).await?;
    let fields = [
        ("group", &asked.group),
        ("class", &asked.class),
        ("source", &asked.source),
        ("handler", &asked.handler),
        ("death_reason", &asked.death_reason),
    ];
    let fields = fields.into_iter().filter(|(_, value)| !value.trim().is_empty());
    let fields = fields.map(|(name, value)| (name, value.clone())).collect();
    Ok(jobs::New { action, target: selection.to_string(), matched, fields })
}

/// Sources and handlers, paused or not.
pub(in crate::web::console) async fn pauses(
    admin: &AdminState,
    caller: &Caller,
) -> Result<pauses::View, AdminError> {
    let all = admin.pauses.everything(caller).await?;
    Ok(pauses::View { rows: all.into_iter().map(standing).collect() })
}

fn standing(standing: PauseStatus) -> pauses::Row {
    pauses::Row {
        what: standing.what.as_str(),
        name: standing.name,
        pause: standing.pause.map(|pause| (pause.paused_at, pause.paused_by, pause.why)),
    }
}
