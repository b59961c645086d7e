//! The view of the overview.

use super::super::page_context::sentence;
use super::super::pages::overview::{Banner, Began, Group, HourDay, Source, View};
use super::super::parts::{BadgeTone, Bar, link_path};
use crate::admin::{
    AdminError, Alarm, AlarmKind, Caller, Group as Kept, GroupSelection, Link, Point, SourceRow,
};
use crate::store::{Severity, TO};
use crate::web::admin::AdminState;

/// The maximum number of groups shown.
const GROUPS: u32 = 8;

/// The overview.
pub(in crate::web::console) async fn overview(
    admin: &AdminState,
    caller: &Caller,
) -> Result<View, AdminError> {
    let overview = admin.monitoring.overview(caller).await?;
    let groups = admin.groups.list(caller, &GroupSelection::default(), None, GROUPS).await?;
    let by_class = admin.groups.by_class(caller).await?;
    let day = &overview.day.points;
    let milliseconds = |time: Option<time::Duration>| time.map(|time| time.as_seconds_f64() * 1e3);
    let began = |points: &[Point]| points.first().map_or(overview.at, |point| point.begin);
    Ok(View {
        began: Began { hour: began(&overview.hour.points), day: began(day) },
        worst: overview.severity().map(|severity| (severity.as_str(), tone(severity))),
        alerts_are_told: overview.alerts_are_told,
        banners: overview.alarms.into_iter().map(banner).collect(),
        sources: overview.sources.into_iter().map(|row| source(row, overview.at)).collect(),
        groups: groups.groups.into_iter().map(group).collect(),
        open_in_all: by_class.iter().map(|(_, open)| open).sum(),
        received: day.iter().map(bar).collect(),
        median: day.iter().map(|point| milliseconds(point.p50)).collect(),
        slow: day.iter().map(|point| milliseconds(point.p95)).collect(),
    })
}

fn banner(alarm: Alarm) -> Banner {
    let word = match alarm.kind {
        AlarmKind::Database => "database",
        AlarmKind::Clock => "clock",
        AlarmKind::Transaction => "open transaction",
        AlarmKind::Stuck => "overdue",
        AlarmKind::DestinationFailing => "failing",
        AlarmKind::DestinationDisabled => "disabled",
        AlarmKind::DestinationRejecting => "rejecting",
        AlarmKind::DestinationUnconfigured => "unconfigured",
        AlarmKind::DeadLetters => "dead letters",
        AlarmKind::Paused => "paused",
        AlarmKind::Silence => "silent",
        AlarmKind::Refusals => "rejected",
        AlarmKind::Oversize => "oversize",
        AlarmKind::WrongPath => "wrong path",
        AlarmKind::TransfersExpired => "expired",
        AlarmKind::TransfersLate => "late",
        AlarmKind::Proxy => "proxy",
        AlarmKind::Alert => "alert",
    };
    let href = match alarm.link {
        Link::Source(name) => format!("/sources/{}#panel-traffic", link_path(&name)),
        Link::Events { source, state } => {
            format!("/events?source={}&state={}", link_path(&source), state)
        }
        Link::DeadLetters => match alarm.source {
            Some(source) => format!("/dead-letters/all?source={}", link_path(&source)),
            None => "/dead-letters".to_owned(),
        },
        Link::Destinations => match alarm.name.as_deref().and_then(|name| name.strip_prefix(TO)) {
            Some(name) => format!("/destinations/{}", link_path(name)),
            None => "/destinations".to_owned(),
        },
        Link::Pauses => "/pauses".to_owned(),
        Link::Alerts => "/alerts".to_owned(),
        Link::Sources => "/sources".to_owned(),
        Link::Transfers => "/transfers".to_owned(),
        Link::Settings => "/settings".to_owned(),
    };
    let tone = tone(alarm.severity);
    Banner { word: word.to_owned(), tone, text: sentence(&alarm.text), href }
}

fn tone(severity: Severity) -> BadgeTone {
    match severity {
        Severity::Critical => BadgeTone::Bad,
        Severity::Warning => BadgeTone::Warn,
        Severity::Info => BadgeTone::Calm,
    }
}

fn source(row: SourceRow, now: time::OffsetDateTime) -> Source {
    let both = |hour, day| HourDay { hour, day };
    let (hour, day) = (&row.hour, &row.day);
    Source {
        state: match (row.enabled, row.paused_at) {
            (false, _) => "disabled",
            (_, Some(_)) => "paused",
            _ => "ok",
        }
        .to_owned(),
        received: both(hour.received(), day.received()),
        verified: both(hour.verified(), day.verified()),
        refused: both(hour.refused, day.refused),
        handled: both(hour.handled, day.handled),
        dead: both(hour.dead, day.dead),
        course: row.day_line,
        oldest_waiting: row.waiting.map(|waits| now - waits),
        slow: row.p95,
        name: row.name,
        provider: row.provider,
        last_event: row.last_event,
        secret: row.secret,
    }
}

fn group(group: Kept) -> Group {
    Group {
        id: group.id.to_string(),
        message: Some(group.title),
        source: group.source,
        handler: group.handler,
        reason: group.death_reason,
        open: group.open,
        last_at: group.last_at,
        course: group.trend,
    }
}

fn bar(point: &Point) -> Bar {
    let label = format!("{:02}:{:02}", point.begin.hour(), point.begin.minute());
    Bar { label, value: point.verified + point.refused }
}
