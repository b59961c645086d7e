//! `sealpost dead-letters`: list, replay and discard dead letters.

mod act;
pub(super) mod done;
mod one;
pub(super) mod progress;
mod table;
mod which;

use std::sync::Arc;
use std::time::Duration;

use act::{Act, Replay};
pub(super) use table::table;
pub(super) use which::WhichArgs;

use super::output::{self, Format};
use super::{Exit, caller, database, delivery_detail};
use crate::admin::{Action, Class, DeadLetters, Filter, Paging, Selection};
use crate::app;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::store::{DeathReason, EventId};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List dead letters, newest first; `--format json` prints one JSON object per line.
    List(List),
    /// Show a delivery with its event and attempts; `--format json` prints one JSON document.
    Show(Show),
    /// Replay dead letters.
    ///
    /// A replay is a new delivery of the same event; the dead letter is marked as resolved. A
    /// single ID is replayed at once; any other selection is only previewed unless --yes is given.
    /// --format json prints one JSON document.
    Replay(Replay),
    /// Discard dead letters.
    ///
    /// Marks them as resolved without another delivery, and unblocks their lanes. A single ID is
    /// discarded at once; any other selection is only previewed unless --yes is given.
    /// --format json prints one JSON document.
    Discard(Act),
    /// Replay a dead letter with an edited body, as a new event.
    ///
    /// Prints the diff; pass --yes to create the event. The original event is kept.
    Edit(one::Edit),
    /// Unblock the lane of a dead letter; the dead letter stays open.
    Unblock(one::Unblock),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Deliveries {
    /// Show a delivery with its event and attempts; `--format json` prints one JSON document.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: FilterArgs,
    /// Include resolved dead letters (replayed or discarded).
    #[arg(long)]
    all: bool,
    /// Only IDs below this one (next page).
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Only IDs above this one (previous page).
    #[arg(long, value_name = "ID", conflicts_with = "before")]
    after: Option<i64>,
    /// Maximum number of results.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Delivery ID.
    id: i64,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Only this event.
    #[arg(long, value_name = "ID")]
    event: Option<uuid::Uuid>,
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only this handler; `gate` selects quarantined events, which reach no handler.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Only this death reason, such as `exhausted`.
    #[arg(long, value_name = "REASON")]
    death_reason: Option<DeathReason>,
    /// Dead-lettered at least this long ago, such as `2h`.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only this group; see `groups list`.
    #[arg(long, value_name = "ID")]
    group: Option<i64>,
    /// Only groups of this class: handler, destination, content, transfer or internal.
    #[arg(long, value_name = "CLASS")]
    class: Option<Class>,
    /// Dead-lettered at most this long ago.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    // Check the command line before opening the database.
    let (action, act, force) = match command {
        Command::List(list) => return with(config, async |desk| list.run(&desk).await),
        Command::Show(show) => return show.run(config),
        Command::Edit(edit) => return with(config, async |desk| edit.run(&desk).await),
        Command::Unblock(unblock) => return with(config, async |desk| unblock.run(&desk).await),
        Command::Replay(replay) => (Action::Replay, &replay.act, replay.force),
        Command::Discard(act) => (Action::Discard, act, false),
    };
    let caller = caller(act.actor.as_deref())?;
    with(config, async |desk| act.run(&desk, &caller, action, force).await)
}

/// Opens the database for a command.
pub(super) fn with(
    config: &Config,
    work: impl AsyncFnOnce(DeadLetters) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let routing = app::routing(config)?;
    database::with_store(config, async |store| {
        work(DeadLetters::new(store.clone(), Arc::new(SystemClock), routing)).await
    })
}

impl Deliveries {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let Self::Show(show) = self;
        show.run(config)
    }
}

impl FilterArgs {
    pub(super) fn filter(&self, resolved: bool) -> Filter {
        Filter {
            event: self.event.map(EventId),
            group: self.group,
            class: self.class,
            source: self.source.clone(),
            handler: self.handler.clone(),
            death_reason: self.death_reason,
            older_than: self.older_than,
            newer_than: self.newer_than,
            resolved,
        }
    }
}

impl List {
    async fn run(&self, desk: &DeadLetters) -> anyhow::Result<Exit> {
        let selection = Selection::Matching(self.filter.filter(self.all));
        let paging = Paging { before: self.before, after: self.after, limit: self.limit };
        let page = desk.list(&caller(None)?, &selection, paging).await?;
        if page.letters.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        match self.format {
            Format::Text => output::print(&table(&page.letters))?,
            Format::Json => {
                let lines = page
                    .letters
                    .iter()
                    .map(|letter| output::json(&delivery_detail::letter(letter)));
                output::print(&lines.collect::<String>())?;
            }
        }
        if let Some(older) = page.older {
            super::talk(&format!("more results: --before {older}"));
        }
        Ok(Exit::Ok)
    }
}

impl Show {
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        with(config, async |desk| {
            let delivery_detail = desk.show(&caller(None)?, self.id).await?;
            output::print_as(
                self.format,
                &delivery_detail::text(&delivery_detail),
                &delivery_detail::json(&delivery_detail),
            )?;
            Ok(Exit::Ok)
        })
    }
}
