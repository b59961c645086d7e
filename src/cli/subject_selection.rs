//! The options that select events to erase or to export.

use std::io::IsTerminal as _;

use time::OffsetDateTime;
use uuid::Uuid;

use super::search::{event_id, timestamp};
use super::{output, overwrite_message, print_message};
use crate::admin::{FieldValue, SelectBy, SubjectSelection};
use crate::store::EventId;

#[derive(Debug, clap::Args)]
pub(super) struct SelectionArgs {
    #[command(flatten)]
    by: By,
    /// Only events of this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Received at or after this time, such as `2026-11-20T12:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    from: Option<OffsetDateTime>,
    /// Received before this time.
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    until: Option<OffsetDateTime>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct By {
    /// This event.
    #[arg(long, value_name = "ID", value_parser = event_id)]
    event_id: Option<Uuid>,
    /// Events with this deduplication key: the sender's own ID, or the SHA-256 of the body. Their
    /// source must be configured.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Events in this lane, as `events show` prints it.
    #[arg(long, value_name = "LANE")]
    lane: Option<String>,
    /// Events with this value in their body: a JSON pointer and the value, such as
    /// `/data/object/customer=cus_123`. In a form, the pointer begins with the name of the field.
    /// Kept rejected requests and incomplete transfers with it match too. Reads every body of the
    /// source and time span.
    #[arg(long, value_name = "POINTER=VALUE")]
    pointer: Option<FieldValue>,
    /// All events of this tenant, its kept rejected requests and incomplete transfers; without a
    /// time span also everything that providers keep of its sources.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

impl SelectionArgs {
    /// The selection. The parser guarantees that there is one.
    pub(super) fn selection(&self) -> Option<SubjectSelection> {
        let by = &self.by;
        let selected = by
            .event_id
            .map(|id| SelectBy::Event(EventId(id)))
            .or_else(|| by.key.clone().map(SelectBy::Key))
            .or_else(|| by.lane.clone().map(SelectBy::Lane))
            .or_else(|| by.pointer.clone().map(SelectBy::Field))
            .or_else(|| by.tenant.clone().map(SelectBy::Tenant));
        let (source, from, until) = (self.source.clone(), self.from, self.until);
        selected.map(|by| SubjectSelection { by, source, from, until })
    }
}

/// How far a scan is, on a terminal.
pub(super) struct ScanLine {
    is_terminal: bool,
    shown: bool,
}

impl ScanLine {
    pub(super) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), shown: false }
    }

    /// Shows the numbers of events read and done, and the time of the last one.
    pub(super) fn show(&mut self, (read, done): (u64, u64), last: Option<EventId>) {
        if self.is_terminal
            && let Some(last) = last
        {
            self.shown = true;
            let at = output::time(last.assigned_at());
            overwrite_message(&format!("{read} events read, up to {at}; {done} match"));
        }
    }

    pub(super) fn end(&self) {
        if self.shown {
            print_message("");
        }
    }
}
