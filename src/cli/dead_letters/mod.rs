//! `sealpost dead-letters`: list, replay and discard dead letters.

mod bulk;
mod edit;
mod selection;
mod table;

use std::time::Duration;

use bulk::{BulkArgs, Replay};
pub(super) use selection::JobArgs;
pub(super) use table::table;

use super::actions::{OnDeadLetter, OnDelivery, Perform};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, backend, delivery_detail};
use crate::admin::{Class, DeadLetterAction, Filter, Need, Paging, Selection};
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
    Discard(BulkArgs),
    /// Replay a dead letter with an edited body, as a new event.
    ///
    /// Prints the diff; pass --yes to create the event. The original event is kept.
    Edit(edit::Edit),
    #[command(flatten)]
    Act(Perform<OnDeadLetter>),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Deliveries {
    /// Show a delivery with its event and attempts; `--format json` prints one JSON document.
    Show(Show),
    #[command(flatten)]
    Act(Perform<OnDelivery>),
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
    /// Only this handler; `quarantine` for events that reached no handler.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Only this death reason, such as `exhausted`.
    #[arg(long, value_name = "REASON")]
    death_reason: Option<DeathReason>,
    /// Dead-lettered at least this long ago, such as `2h`.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    older_than: Option<Duration>,
    /// Only this group; see `groups list`.
    #[arg(long, value_name = "ID")]
    group: Option<i64>,
    /// Only groups of this class: handler, destination, content, transfer or internal.
    #[arg(long, value_name = "CLASS")]
    class: Option<Class>,
    /// Dead-lettered at most this long ago.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    newer_than: Option<Duration>,
}

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    let (action, args, force) = match command {
        Command::List(list) => return list.run(globals),
        Command::Show(show) => return show.run(globals),
        Command::Edit(edit) => return edit.run(globals),
        Command::Act(action) => return action.run(globals),
        Command::Replay(replay) => (DeadLetterAction::Replay, &replay.bulk, replay.force),
        Command::Discard(args) => (DeadLetterAction::Discard, args, false),
    };
    let needs = if action == DeadLetterAction::Replay { Need::Sources } else { Need::Names };
    backend::with(globals, needs, args.job.actor.as_deref(), async |backend| {
        args.run(backend, globals, action, force).await
    })
}

impl Deliveries {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        match self {
            Self::Show(show) => show.run(globals),
            Self::Act(action) => action.run(globals),
        }
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
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Names, None, async |backend| {
            let paging = Paging { before: self.before, after: self.after, limit: self.limit };
            let filter = self.filter.filter(self.all);
            let page = backend.dead_letters(&filter, paging).await?;
            let exit = output::list(self.format, &page.items, table)?;
            if exit == Exit::NothingMatched {
                return backend.nothing_selected(&Selection::Matching(filter)).await;
            }
            if let Some(older) = page.older {
                super::print_message(&format!("more results: --before {older}"));
            }
            Ok(exit)
        })
    }
}

impl Show {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Names, None, async |backend| {
            let detail = backend.delivery(self.id).await?;
            output::print_as(self.format, &delivery_detail::text(&detail), &detail)?;
            super::report_hidden_payload(detail.hides_payload());
            Ok(Exit::Ok)
        })
    }
}
