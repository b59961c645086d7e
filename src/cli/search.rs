//! `sealpost events list`, `show` and `body`.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use futures_util::TryStreamExt as _;
use strum::VariantArray as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::output::{self, Format};
use super::{Exit, database, event_page, event_table, talk};
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
    id: Uuid,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Body {
    /// Event ID.
    id: Uuid,
}

impl List {
    pub(super) fn run(&self, config: &Path) -> anyhow::Result<Exit> {
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
        database::with_admin(config, Need::Names, None, async |admin, caller| {
            let before = self.before.map(EventId);
            let page = admin.monitoring.events(caller, &search, before, self.limit).await?;
            match self.format {
                Format::Text if page.events.is_empty() => {}
                Format::Text => output::print(&event_table::table(&page.events))?,
                Format::Json => {
                    output::print(&page.events.iter().map(output::json).collect::<String>())?;
                }
            }
            if let (Some(next), Some(at)) = (page.next, page.looked_back_to) {
                talk(&format!(
                    "searched back to {}; there may be more results: --before {next}",
                    output::time(at)
                ));
            }
            Ok(if page.events.is_empty() { Exit::NothingMatched } else { Exit::Ok })
        })
    }
}

impl Show {
    pub(super) fn run(&self, config: &Path) -> anyhow::Result<Exit> {
        database::with_admin(config, Need::Sources, None, async |admin, caller| {
            let detail = admin.monitoring.event(caller, EventId(self.id)).await?;
            output::print_as(self.format, &event_page::text(&detail), &detail)?;
            Ok(Exit::Ok)
        })
    }
}

impl Body {
    /// Writes the body unchanged: it is for a file or another program.
    pub(super) fn run(&self, config: &Path) -> anyhow::Result<Exit> {
        database::with_admin(config, Need::Names, None, async |admin, caller| {
            let (_, slices) = admin.monitoring.download(caller, EventId(self.id)).await?;
            let mut slices = std::pin::pin!(slices);
            while let Some(slice) = slices.try_next().await? {
                match std::io::stdout().lock().write_all(&slice) {
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
                    written => written?,
                }
            }
            std::io::stdout().lock().flush().or_else(|error| match error.kind() {
                std::io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(error),
            })?;
            Ok(Exit::Ok)
        })
    }
}

/// Parses the state of a delivery.
fn state() -> impl TypedValueParser<Value = DeliveryState> {
    let words = DeliveryState::VARIANTS.iter().map(|state| state.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<DeliveryState>())
}

fn timestamp(text: &str) -> anyhow::Result<OffsetDateTime> {
    let invalid = "invalid time; expected a format like 2026-11-20T12:00:00Z";
    OffsetDateTime::parse(text, &Rfc3339).context(invalid)
}
