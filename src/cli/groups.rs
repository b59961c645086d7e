//! `sealpost groups`: dead letters grouped by error.

use super::Exit;
use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use crate::admin::{Class, Group, GroupCursor, GroupSelection, Need};
use crate::clock::{Clock, SystemClock};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List groups, most open dead letters first; `--format json` prints one JSON object per line.
    List(List),
    /// Show a group; list its dead letters with `dead-letters list --group`.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only this handler; `quarantine` for events that reached no handler.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Only this class: handler, destination, content, transfer or internal.
    #[arg(long, value_name = "CLASS")]
    class: Option<Class>,
    /// Include groups without open dead letters.
    #[arg(long)]
    all: bool,
    /// Cursor of the next page, as printed by the previous page.
    #[arg(long, value_name = "CURSOR")]
    after: Option<GroupCursor>,
    /// Maximum number of results.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Group ID.
    id: i64,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    backend::with(globals, Need::Names, None, async |backend| match command {
        Command::List(list) => list.run(backend).await,
        Command::Show(show) => show.run(backend).await,
    })
}

impl Show {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let group = backend.group(self.id).await?;
        output::print_as(self.format, &table(std::slice::from_ref(&group)), &group)?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, backend: &Backend) -> anyhow::Result<Exit> {
        let selection = GroupSelection {
            source: self.source.clone(),
            handler: self.handler.clone(),
            class: self.class,
            resolved: self.all,
        };
        let page = backend.groups(&selection, self.after, self.limit).await?;
        let exit = output::list(self.format, &page.items, table)?;
        if exit == Exit::NothingMatched {
            let (source, handler) = (selection.source.as_deref(), selection.handler.as_deref());
            return backend.nothing_matched(source, handler).await;
        }
        if let Some(next) = page.next {
            super::print_message(&format!("more results: --after {next}"));
        }
        Ok(exit)
    }
}

fn table(groups: &[Group]) -> String {
    let now = SystemClock.now();
    let head = [
        "ID", "OPEN", "TOTAL", "CLASS", "SOURCE", "HANDLER", "REASON", "FIRST", "LAST", "SAMPLE",
        "TITLE",
    ];
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|group| {
            vec![
                group.id.to_string(),
                group.open.to_string(),
                group.total.to_string(),
                group.class.to_string(),
                group.source.clone(),
                group.handler.clone(),
                group.death_reason.to_string(),
                output::age(now - group.first_at),
                output::age(now - group.last_at),
                group.sample.to_string(),
                group.title.chars().take(100).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
