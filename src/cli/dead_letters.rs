//! `sealpost dead-letters`: look at dead letters, and deal with them.

use std::time::Duration;

use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Exit, UsageError, block_on, database, dossier};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::operator::{Action, DeadLetters, Filter, Mandate, Selection};
use crate::store::{DeadLetter, DeathReason};

/// How many rows a dry run shows.
const SAMPLE: u32 = 10;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List dead letters, oldest first; with `--format json` one JSON object a line.
    List(List),
    /// Show everything about a delivery; with `--format json` as one JSON document.
    Show(Show),
    /// Hand dead letters to their handlers again.
    ///
    /// A replay is a new delivery of the same event; the dead letter counts as resolved. More than
    /// one is a dry run unless --yes is given. With `--format json` it prints one JSON document.
    Replay(Replay),
    /// Count dead letters as dealt with, and leave them as they are.
    ///
    /// Frees a lane that they block. More than one is a dry run unless --yes is given. With
    /// `--format json` it prints one JSON document.
    Discard(Act),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: FilterArgs,
    /// Those that were replayed or discarded too.
    #[arg(long)]
    all: bool,
    /// Only those with a higher id: the next page.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: i64,
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
pub(super) struct Replay {
    #[command(flatten)]
    act: Act,
    /// Also what is done or resolved; only by id.
    #[arg(long, requires = "ids")]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// These deliveries. Without ids and filters: every open dead letter.
    #[arg(value_name = "ID",
          conflicts_with_all = ["source", "handler", "death_reason", "older_than", "newer_than"])]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Do it, where there is more than one.
    #[arg(long)]
    yes: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct FilterArgs {
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
    /// Dead for at most this long.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    // Before the database: this is about the command line.
    let (action, act, force) = match command {
        Command::List(list) => return with(config, async |desk| list.run(&desk).await),
        Command::Show(show) => return with(config, async |desk| show.run(&desk).await),
        Command::Replay(replay) => (Action::Replay, &replay.act, replay.force),
        Command::Discard(act) => (Action::Discard, act, false),
    };
    let mandate = act.mandate()?;
    with(config, async |desk| act.run(&desk, action, mandate, force).await)
}

/// Opens the database for a command.
fn with(
    config: &Config,
    work: impl AsyncFnOnce(DeadLetters) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let routing = app::routing(config)?;
    let database = database::share(config)?;
    block_on(async {
        database.target.check_migrated().await?;
        let store = app::open_store(config, database.target.clone());
        let desk = DeadLetters::new(store.clone(), std::sync::Arc::new(SystemClock), routing);
        let exit = work(desk).await;
        store.close().await;
        exit
    })
}

impl FilterArgs {
    fn filter(&self, resolved: bool) -> Filter {
        Filter {
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
        let letters = desk.list(&selection, self.after, self.limit).await?;
        let Some(last) = letters.last() else { return Ok(Exit::NothingMatched) };
        match self.format {
            Format::Text => output::print(&table(&letters))?,
            Format::Json => {
                let lines: String =
                    letters.iter().map(|letter| output::json(&dossier::letter(letter))).collect();
                output::print(&lines)?;
            }
        }
        if letters.len() == self.limit as usize {
            super::talk(&format!("there may be more: --after {}", last.id));
        }
        Ok(Exit::Ok)
    }
}

impl Show {
    async fn run(&self, desk: &DeadLetters) -> anyhow::Result<Exit> {
        let Some(dossier) = desk.show(self.id).await? else { return Ok(Exit::NothingMatched) };
        match self.format {
            Format::Text => output::print(&dossier::text(&dossier))?,
            Format::Json => output::print(&output::json(&dossier::json(&dossier)))?,
        }
        Ok(Exit::Ok)
    }
}

impl Act {
    fn selection(&self) -> Selection {
        if self.ids.is_empty() {
            Selection::Matching(self.filter.filter(false))
        } else {
            Selection::Ids(self.ids.clone())
        }
    }

    fn mandate(&self) -> Result<Mandate, UsageError> {
        Ok(Mandate { actor: super::actor(self.actor.as_deref())?, reason: self.reason.clone() })
    }

    async fn run(
        &self,
        desk: &DeadLetters,
        action: Action,
        mandate: Mandate,
        force: bool,
    ) -> anyhow::Result<Exit> {
        let selection = self.selection();
        let matched = desk.count(&selection).await?;
        if matched == 0 {
            return Ok(Exit::NothingMatched);
        }
        if matched > 1 && !self.yes {
            self.rehearse(desk, action, &selection, matched).await?;
            return Ok(Exit::Ok);
        }
        let mut done = Done::default();
        let mut run = desk.run(action, &selection, mandate, force).await?;
        let ended = loop {
            match run.next().await {
                Ok(Some(batch)) => {
                    done.resolved.extend(batch.resolved);
                    done.created.extend(batch.created);
                    done.refused
                        .extend(batch.refused.into_iter().map(|(id, why)| (id, why.to_string())));
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // Also when it broke off: what is done is done.
        done.print(action, self.format)?;
        ended?;
        for id in self.ids.iter().filter(|id| !done.knows(**id)) {
            super::talk(&format!("there is no delivery {id}"));
        }
        Ok(if done.refused.is_empty() { Exit::Ok } else { Exit::Failed })
    }

    /// Says what would be done.
    async fn rehearse(
        &self,
        desk: &DeadLetters,
        action: Action,
        selection: &Selection,
        matched: u64,
    ) -> anyhow::Result<()> {
        let sample = desk.list(selection, i64::MIN, SAMPLE).await?;
        match self.format {
            Format::Text => output::print(&format!(
                "would {} {matched}: {}\n{}",
                action.as_str(),
                output::line(&selection.to_string()),
                table(&sample),
            ))?,
            Format::Json => output::print(&output::json(&json!({
                "action": action.as_str(),
                "dry_run": true,
                "matched": matched,
                "sample": sample.iter().map(dossier::letter).collect::<Vec<Value>>(),
            })))?,
        }
        super::talk("nothing was done: --yes does it");
        Ok(())
    }
}

/// What was done.
#[derive(Default)]
struct Done {
    resolved: Vec<i64>,
    created: Vec<i64>,
    refused: Vec<(i64, String)>,
}

impl Done {
    fn knows(&self, id: i64) -> bool {
        self.resolved.contains(&id) || self.refused.iter().any(|(refused, _)| *refused == id)
    }

    fn print(&self, action: Action, format: Format) -> std::io::Result<()> {
        match format {
            Format::Text => {
                let (did, count) = (action.resolution().as_str(), self.resolved.len());
                let mut text = match &self.created[..] {
                    [] => format!("{did} {count}\n"),
                    [first, .., last] => format!("{did} {count}; new: {first} to {last}\n"),
                    [new] => format!("{did} {count}; new: {new}\n"),
                };
                for (id, why) in &self.refused {
                    let refused = format!("refused {id}: {}\n", output::line(why));
                    text.push_str(&refused);
                }
                output::print(&text)
            }
            Format::Json => {
                let refused: Vec<Value> =
                    self.refused.iter().map(|(id, why)| json!({ "id": id, "why": why })).collect();
                output::print(&output::json(&json!({
                    "action": action.as_str(),
                    "dry_run": false,
                    "resolved": self.resolved,
                    "created": self.created,
                    "refused": refused,
                })))
            }
        }
    }
}

fn table(letters: &[DeadLetter]) -> String {
    let now = SystemClock.now();
    let head = [
        "ID", "EVENT", "SOURCE", "HANDLER", "KIND", "REASON", "TRIES", "DIED", "AGE", "WAIT",
        "ERROR",
    ];
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            let reason = letter.death_reason.as_deref().unwrap_or(&letter.state);
            let reason = match &letter.resolution {
                Some(resolution) => format!("{reason}, {resolution}"),
                None => reason.to_owned(),
            };
            vec![
                letter.id.to_string(),
                letter.event.to_string(),
                letter.source.clone(),
                letter.handler.clone(),
                letter.kind.clone().unwrap_or_default(),
                reason,
                letter.attempts.to_string(),
                letter.finished_at.map(output::time).unwrap_or_default(),
                letter.finished_at.map(|died| output::age(now - died)).unwrap_or_default(),
                letter.waiting.to_string(),
                letter.error.as_deref().unwrap_or_default().chars().take(80).collect(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
