//! `sealpost events list`, `show` and `body`.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantArray as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend, event_page, event_table, print_message, report_hidden_payload};
use crate::admin::{Need, Search};
use crate::store::{DeliveryState, EventId};

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only this provider, such as `stripe`.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only this event type; a trailing `*` matches any suffix.
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Only events with a delivery in this state.
    #[arg(long, value_name = "STATE", value_parser = state())]
    state: Option<DeliveryState>,
    /// Received at or after this time, such as `2026-11-20T12:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    from: Option<OffsetDateTime>,
    /// Received before this time.
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    to: Option<OffsetDateTime>,
    /// Event ID, or the beginning of one.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Deduplication key: the sender's own ID, or the SHA-256 of the body.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Text in the first 64 KiB of the body.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only events before this ID (next page).
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// Maximum number of results.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Event ID.
    #[arg(value_parser = event_id)]
    id: Uuid,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Body {
    /// Event ID.
    #[arg(value_parser = event_id)]
    id: Uuid,
}

impl List {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let search = Search {
            source: self.source.clone(),
            provider: self.provider.clone(),
            event_type: self.r#type.clone(),
            state: self.state,
            from: self.from,
            to: self.to,
            id: self.id.clone(),
            key: self.key.clone(),
            strength: None,
            text: self.text.clone(),
        };
        backend::with(globals, Need::Names, None, async |backend| {
            let before = self.before.map(EventId);
            let page = backend.events(&search, before, self.limit).await?;
            let exit = output::list(self.format, &page.events, event_table::table)?;
            if let (Some(next), Some(at)) = (page.next, page.looked_back_to) {
                print_message(&format!(
                    "searched back to {}; there may be more results: --before {next}",
                    output::time(at)
                ));
            }
            if exit == Exit::NothingMatched {
                return backend.nothing_matched(self.source.as_deref(), None).await;
            }
            Ok(exit)
        })
    }
}

impl Show {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Sources, None, async |backend| {
            let detail = backend.event(EventId(self.id)).await?;
            output::print_as(self.format, &event_page::text(&detail), &detail)?;
            report_hidden_payload(detail.hides_payload());
            Ok(Exit::Ok)
        })
    }
}

impl Body {
    /// Writes the body unchanged: it is for a file or another program.
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Names, None, async |backend| {
            backend.event_body(EventId(self.id), written).await?;
            written_out(std::io::stdout().lock().flush())?;
            Ok(Exit::Ok)
        })
    }
}

fn written(slice: &[u8]) -> std::io::Result<bool> {
    written_out(std::io::stdout().lock().write_all(slice))
}

/// Whether standard output is still read. A closed pipe is not an error.
fn written_out(result: std::io::Result<()>) -> std::io::Result<bool> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true),
    }
}

/// Parses the state of a delivery.
fn state() -> impl TypedValueParser<Value = DeliveryState> {
    let words = DeliveryState::VARIANTS.iter().map(|state| state.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<DeliveryState>())
}

pub(super) fn event_id(text: &str) -> Result<Uuid, String> {
    let invalid = "an event ID is a UUID; find the sender's ID with `events list --key`";
    text.parse().map_err(|_| invalid.to_owned())
}

pub(super) fn timestamp(text: &str) -> anyhow::Result<OffsetDateTime> {
    let invalid = "invalid time; expected a format like 2026-11-20T12:00:00Z";
    OffsetDateTime::parse(text, &Rfc3339).context(invalid)
}
