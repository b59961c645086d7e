//! `sealpost groups`: dead letters grouped by error.

use std::sync::Arc;

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, caller, database};
use crate::admin::{Class, Group, GroupCursor, GroupSelection, Groups};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

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

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    database::with_store(config, async |store| {
        let groups = Groups::new(store.clone(), Arc::new(SystemClock));
        match command {
            Command::List(list) => list.run(&groups).await,
            Command::Show(show) => show.run(&groups).await,
        }
    })
}

impl Show {
    async fn run(&self, groups: &Groups) -> anyhow::Result<Exit> {
        let group = groups.show(&caller(None)?, self.id).await?;
        output::print_as(self.format, &table(std::slice::from_ref(&group)), &json(&group))?;
        Ok(Exit::Ok)
    }
}

impl List {
    async fn run(&self, groups: &Groups) -> anyhow::Result<Exit> {
        let selection = GroupSelection {
            source: self.source.clone(),
            handler: self.handler.clone(),
            class: self.class,
            resolved: self.all,
        };
        let page = groups.list(&caller(None)?, &selection, self.after, self.limit).await?;
        if page.groups.is_empty() {
            return Ok(Exit::NothingMatched);
        }
        match self.format {
            Format::Text => output::print(&table(&page.groups))?,
            Format::Json => {
                let lines = page.groups.iter().map(|group| output::json(&json(group)));
                output::print(&lines.collect::<String>())?;
            }
        }
        if let Some(next) = page.next {
            super::talk(&format!("more results: --after {next}"));
        }
        Ok(Exit::Ok)
    }
}

fn json(group: &Group) -> Value {
    json!({
        "id": group.id,
        "tenant": group.tenant,
        "source": group.source,
        "handler": group.handler,
        "class": group.class.as_str(),
        "death_reason": group.death_reason,
        "title": group.title,
        "message": group.message,
        "is_various": group.is_various,
        "open": group.open,
        "total": group.total,
        "first_at": output::rfc3339(group.first_at),
        "last_at": output::rfc3339(group.last_at),
        "sample": group.sample,
        "trend": group.trend,
    })
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
                group.death_reason.clone(),
                output::age(now - group.first_at),
                output::age(now - group.last_at),
                group.sample.to_string(),
                group.title.chars().take(100).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
