//! How alarms are shown.

use super::super::parts::{BadgeTone, link_path};
use crate::admin::{Alarm, AlarmKind, Link};
use crate::store::{HandlerName, Severity};

pub(super) fn tone(severity: Severity) -> BadgeTone {
    match severity {
        Severity::Critical => BadgeTone::Bad,
        Severity::Warning => BadgeTone::Warn,
        Severity::Info => BadgeTone::Calm,
    }
}

pub(super) fn label(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Database => "database",
        AlarmKind::Disk => "disk",
        AlarmKind::Clock => "clock",
        AlarmKind::Transaction => "open transaction",
        AlarmKind::Stuck => "overdue",
        AlarmKind::DestinationFailing => "failing",
        AlarmKind::DestinationDisabled => "disabled",
        AlarmKind::DestinationRejecting => "rejecting",
        AlarmKind::DestinationUnconfigured => "unconfigured",
        AlarmKind::DeadLetters => "dead letters",
        AlarmKind::Retention => "expiring",
        AlarmKind::Paused => "paused",
        AlarmKind::Silence => "silent",
        AlarmKind::Refusals => "rejected",
        AlarmKind::Oversize => "oversize",
        AlarmKind::WrongPath => "wrong path",
        AlarmKind::TransfersExpired => "expired",
        AlarmKind::TransfersLate => "late",
        AlarmKind::Proxy => "proxy",
        AlarmKind::Alert => "alert",
    }
}

/// The page with the details of an alarm.
pub(super) fn details(alarm: &Alarm) -> String {
    match &alarm.link {
        Link::Source { source } => format!("/sources/{}#panel-traffic", link_path(source)),
        Link::Events { source, state } => super::events_of(source, state.as_str()),
        Link::DeadLetters => match &alarm.source {
            Some(source) => format!("/dead-letters/all?source={}", link_path(source)),
            None => "/dead-letters".to_owned(),
        },
        Link::Destinations => {
            let handler = alarm.name.as_deref().map(HandlerName::parse);
            match handler.and_then(HandlerName::destination) {
                Some(name) => format!("/destinations/{}", link_path(name)),
                None => "/destinations".to_owned(),
            }
        }
        Link::Pauses => "/pauses".to_owned(),
        Link::Alerts => "/alerts".to_owned(),
        Link::Sources => "/sources".to_owned(),
        Link::Transfers => "/transfers".to_owned(),
        Link::Settings => "/settings".to_owned(),
    }
}
