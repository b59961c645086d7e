//! `sealpost groups`: dead letters that look alike.

use std::sync::Arc;

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, caller, database};
use crate::admin::{Class, Group, GroupCursor, GroupSelection, Groups};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List groups, those with most open dead letters first; with `--format json` one JSON object a
    /// line.
    List(List),
    /// Show a group; its dead letters are what `dead-letters list --group` lists.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Of this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Of this handler; `gate` for what no handler has seen.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Of this class: handler, destination, content, transfer or internal.
    #[arg(long, value_name = "WORD")]
    class: Option<Class>,
    /// Those too of which none is open.
    #[arg(long)]
    all: bool,
    /// Where the next page begins, as the page before said.
    #[arg(long, value_name = "PLACE")]
    after: Option<GroupCursor>,
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The group's id.
    id: i64,
    /// How to print.
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
            super::talk(&format!("there are more: --after {next}"));
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
