//! `sealpost dead-letters`: look at dead letters, and deal with them.

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
    /// List dead letters, newest first; with `--format json` one JSON object a line.
    List(List),
    /// Show everything about a delivery; with `--format json` as one JSON document.
    Show(Show),
    /// Hand dead letters to their handlers again.
    ///
    /// A replay is a new delivery of the same event; the dead letter counts as resolved. Unless a
    /// single delivery is named, --yes does it, and without it is shown what would be done. With
    /// --format json it prints one JSON document.
    Replay(Replay),
    /// Count dead letters as dealt with, and leave them as they are.
    ///
    /// Frees a lane that they block. Unless a single delivery is named, --yes does it, and without
    /// it is shown what would be done. With --format json it prints one JSON document.
    Discard(Act),
    /// Replay a dead letter with another body, as a new event.
    ///
    /// Shows the difference; --yes does it. The original is kept.
    Edit(one::Edit),
    /// Let a dead letter hold its lane no longer, and leave it open.
    Unblock(one::Unblock),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Deliveries {
    /// Show everything about a delivery; with `--format json` as one JSON document.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: FilterArgs,
    /// Those that were replayed or discarded too.
    #[arg(long)]
    all: bool,
    /// Only those with a lower id: the next page.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// Only those with a higher id: the page before.
    #[arg(long, value_name = "ID", conflicts_with = "before")]
    after: Option<i64>,
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The delivery's id.
    id: i64,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Of this event.
    #[arg(long, value_name = "ID")]
    event: Option<uuid::Uuid>,
    /// Of this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Of this handler; `gate` for what no handler has seen.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Dead for this reason, such as `exhausted`.
    #[arg(long, value_name = "WORD")]
    death_reason: Option<DeathReason>,
    /// Dead for at least this long, such as `2h`.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Of this group: see `groups list`.
    #[arg(long, value_name = "ID")]
    group: Option<i64>,
    /// Of groups of this class: handler, destination, content, transfer or internal.
    #[arg(long, value_name = "WORD")]
    class: Option<Class>,
    /// Dead for at most this long.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    // Before the database: this is about the command line.
    let (action, act, force) = match command {
        Command::List(list) => return with(config, async |desk| list.run(&desk).await),
        Command::Show(show) => return show.run(config),
        Command::Edit(edit) => return with(config, async |desk| edit.run(&desk).await),
        Command::Unblock(free) => return with(config, async |desk| free.run(&desk).await),
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
            super::talk(&format!("there are more: --before {older}"));
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
