//! `sealpost groups`: dead letters grouped by error.

use std::path::Path;

use super::output::{self, Format};
use super::{Exit, database};
use crate::admin::{Caller, Class, Group, GroupCursor, GroupSelection, Groups, Need};
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
    /// Only this handler; `gate` selects quarantined events, which reach no handler.
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

pub(super) fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    database::with_admin(config, Need::Names, None, async |admin, caller| match command {
        Command::List(list) => list.run(&admin.groups, caller).await,
        Command::Show(show) => show.run(&admin.groups, caller).await,
    })
}

impl Show {
    async fn run(&self, groups: &Groups, caller: &Caller) -> anyhow::Result<Exit> {
        let group = groups.show(caller, self.id).await?;
        output::print_as(self.format, &table(std::slice::from_ref(&group)), &group)?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, groups: &Groups, caller: &Caller) -> anyhow::Result<Exit> {
        let selection = GroupSelection {
            source: self.source.clone(),
            handler: self.handler.clone(),
            class: self.class,
            resolved: self.all,
        };
        let page = groups.list(caller, &selection, self.after, self.limit).await?;
        if page.items.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        match self.format {
            Format::Text => output::print(&table(&page.items))?,
            Format::Json => {
                output::print(&page.items.iter().map(output::json).collect::<String>())?;
            }
        }
        if let Some(next) = page.next {
            super::talk(&format!("more results: --after {next}"));
        }
        Ok(Exit::Ok)
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
