//! Builds the views. Data the caller must not see is left out here.

mod access;
mod audit;
mod dealing;
mod delivery;
mod events;
mod overview;
mod rejected_requests;
mod sources;
mod transfers;

pub(super) use access::{keys, users};
pub(super) use audit::{AuditQuery, audit, chain};
pub(super) use dealing::{group, groups, job, jobs, new_job, pauses};
pub(super) use delivery::delivery;
pub(super) use events::{Query as EventQuery, event, events, id as event_id};
pub(super) use overview::overview;
pub(super) use rejected_requests::{held, id as held_id, one as held_one};
pub(super) use sources::{settings, source, sources};
pub(super) use transfers::{transfer, transfers};

use super::answer::ListQuery;
use super::pages::{alerts, dead_letters, destination, destinations};
use super::parts::{Pager, count, link_path};
use crate::admin::{AdminError, Caller, Destination, Filter, Paging, Scope, Selection};
use crate::store::{AlertRow, DeadLetter, DeathReason};
use crate::web::admin::AdminState;

/// Rows of a page.
const ROWS: u32 = 50;
/// The maximum number of alerts shown.
const ALERTS: u32 = 200;

/// The list of dead letters.
pub(super) async fn dead_letters(
    admin: &AdminState,
    caller: &Caller,
    query: &ListQuery,
) -> Result<dead_letters::View, AdminError> {
    caller.needs(Scope::EventsRead)?;
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let reason = given(&query.reason)
        .map(|word| word.parse::<DeathReason>())
        .transpose()
        .map_err(|error| AdminError::Invalid(error.to_string()))?;
    let filter = Filter {
        source: given(&query.source),
        handler: given(&query.handler),
        death_reason: reason,
        resolved: query.which == "all",
        ..Filter::default()
    };
    let selection = Selection::Matching(filter);
    let desk = &admin.dead_letters;
    let total = desk.count(caller, &selection).await?;
    let before = Some(query.before).filter(|before| *before != 0);
    let page = desk.list(caller, &selection, Paging { before, after: None, limit: ROWS }).await?;
    let letters = page.letters;
    let address = |before: Option<i64>| {
        let mut parts = Vec::new();
        let named = [
            ("source", &query.source),
            ("handler", &query.handler),
            ("reason", &query.reason),
            ("which", &query.which),
        ];
        for (name, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
            parts.push(format!("{name}={}", link_path(value)));
        }
        parts.extend(before.map(|before| format!("before={before}")));
        format!("/dead-letters/all?{}", parts.join("&"))
    };
    let may_see = caller.may(Scope::PayloadRead);
    let named =
        [("source", &query.source), ("handler", &query.handler), ("death_reason", &query.reason)];
    let named = named.into_iter().filter(|(_, value)| !value.is_empty());
    let named: Vec<String> =
        named.map(|(name, value)| format!("{name}={}", link_path(value))).collect();
    Ok(dead_letters::View {
        plan: (!letters.is_empty()).then(|| format!("/jobs/new?{}", named.join("&"))),
        narrowed: dead_letters::Narrowed {
            source: query.source.clone(),
            handler: query.handler.clone(),
            reason: query.reason.clone(),
            resolved: query.which == "all",
        },
        reasons: DeathReason::all().map(|reason| reason.as_str().to_owned()).collect(),
        pager: Pager {
            shown: format!(
                "{} on this page, {} in total, newest first",
                letters.len(),
                count(total, "dead letter", "dead letters")
            ),
            first: before.map(|_| address(None)),
            next: page.older.map(|older| address(Some(older))),
        },
        rows: letters.into_iter().map(|letter| row(letter, may_see)).collect(),
    })
}

pub(super) fn row(letter: DeadLetter, may_see: bool) -> dead_letters::Row {
    dead_letters::Row {
        id: letter.id,
        kind: letter.kind,
        source: letter.source,
        handler: letter.handler,
        reason: letter.death_reason.unwrap_or(letter.state),
        error: letter.error.filter(|_| may_see),
        attempts: letter.attempts,
        died_at: letter.finished_at,
        waiting: letter.waiting.unsigned_abs(),
        resolution: letter.resolution,
    }
}

/// The list of destinations.
pub(super) async fn destinations(
    admin: &AdminState,
    caller: &Caller,
) -> Result<destinations::View, AdminError> {
    let listed = admin.destinations.list(caller).await?;
    Ok(destinations::View { rows: listed.into_iter().map(row_of_destination).collect() })
}

/// One destination.
pub(super) async fn destination(
    admin: &AdminState,
    caller: &Caller,
    name: &str,
) -> Result<destination::View, AdminError> {
    let detail = admin.destinations.show(caller, name).await?;
    let hours = detail.hours.iter();
    let answers = detail.answers.into_iter().map(|one| destination::Answer {
        at: one.at,
        took: one.took,
        delivery: one.delivery,
        status: one.status,
        headers: one.headers,
        body: one.body,
        error: one.error,
    });
    Ok(destination::View {
        hours: hours.map(|(_, did)| (did.delivered, did.failed)).unzip(),
        row: row_of_destination(detail.destination),
        next: detail.next_try,
        success: detail.success_percent,
        within: (detail.p50_ms, detail.p95_ms),
        answers: answers.collect(),
        payload: caller.may(Scope::PayloadRead),
    })
}

fn row_of_destination(one: Destination) -> destinations::Row {
    let (state, since) = (one.standing.as_str(), one.since);
    let verbs = match state {
        "unconfigured" => vec![],
        "paused" => vec!["resume", "disable"],
        "disabled" => vec!["enable"],
        "failing" | "told to wait" | "rejecting" => vec!["try", "resume", "pause", "disable"],
        _ => vec!["try", "pause", "disable"],
    };
    let known = one.state;
    let number = |n: Option<i64>| n.unwrap_or(0).unsigned_abs();
    destinations::Row {
        name: one.name,
        url: one.url,
        state,
        since,
        why: known.as_ref().and_then(|known| known.disabled_why.clone()),
        ready: number(known.as_ref().map(|known| known.ready)),
        oldest: known.as_ref().and_then(|known| known.oldest),
        at_work: number(known.as_ref().map(|known| known.leased)),
        dead: number(known.as_ref().map(|known| known.dead)),
        failed: known.and_then(|known| Some((known.last_failed_at?, known.last_error))),
        verbs,
    }
}

/// The list of alerts.
pub(super) async fn alerts(
    admin: &AdminState,
    caller: &Caller,
    all: bool,
) -> Result<alerts::View, AdminError> {
    let kept = admin.alerts.list(caller, all, None, ALERTS).await?;
    let may_see = caller.may(Scope::PayloadRead);
    let number = count(kept.len() as u64, "alert", "alerts");
    let shown = if kept.len() < ALERTS as usize {
        format!("{number}, newest first")
    } else {
        format!("The newest {ALERTS}; older alerts are not shown")
    };
    let rows = kept.into_iter().map(|one| alert(one, may_see)).collect();
    let are_told = admin.alerts.are_told();
    Ok(alerts::View { all, are_told, rows, pager: Pager { shown, ..Pager::default() } })
}

fn alert(alert: AlertRow, may_see: bool) -> alerts::Row {
    alerts::Row {
        id: alert.id,
        severity: alert.severity.as_str().to_owned(),
        kind: alert.kind,
        source: alert.source,
        text: may_see.then_some(alert.text),
        count: alert.count.unsigned_abs(),
        last_at: alert.last_at,
        state: match (alert.recovery, alert.over_at) {
            (true, _) => "recovery",
            (false, Some(_)) => "over",
            (false, None) => "open",
        },
        told: match (alert.pending, alert.sent_at) {
            (true, _) => "not yet sent",
            (false, Some(_)) => "sent",
            (false, None) => "not sent",
        },
    }
}
