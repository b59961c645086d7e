//! `sealpost providers`: what is known about each kind of sender.
//!
//! Works without a configuration and a database: the program knows its own providers. With a
//! gateway, it is asked for those that it knows.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantArray as _;

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::remote::Query;
use super::{Exit, block_on};
use crate::admin::{Page, Provider, ProviderFilter, ProviderLevel, ProviderSummary, Providers};
use crate::app;
use crate::providers::data::CUSTOM;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List providers and their count; `--format json` prints one JSON object per line.
    ///
    /// PROOF tells how well the facts are proven: the sender's own package or a signature that it
    /// published agrees in the tests (proven), example code of the sender agrees (sample), the
    /// sender documents it (documented), others report it (reported). Those with handlers are
    /// `built_in`.
    List(List),
    /// Show a provider: how it signs, what its events are, and how that is proven.
    Show(Show),
    /// Print a source for the configuration file, to fill in.
    ///
    /// Without a name, it is for a sender that no provider describes: how it signs is then part of
    /// the configuration.
    New(New),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those with this proof.
    #[arg(long, value_name = "LEVEL", value_parser = level())]
    level: Option<ProviderLevel>,
    /// Only those with this text in the name, the sender or the algorithm.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Provider name.
    name: String,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Provider name.
    name: Option<String>,
}

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => list.run(globals),
        Command::Show(show) => {
            let provider = provider(globals, &show.name)?;
            output::print_as(show.format, &page(&provider), &provider)?;
            Ok(Exit::Ok)
        }
        Command::New(new) => {
            let text = match new.name.as_deref() {
                None | Some(CUSTOM) => app::providers().template().to_owned(),
                Some(name) => provider(globals, name)?.example,
            };
            output::print(&text)?;
            Ok(Exit::Ok)
        }
    }
}

impl List {
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let listed: Vec<ProviderSummary> = if let Some(api) = globals.api()? {
            block_on(async {
                let query =
                    Query::default().with("level", self.level).with("search", self.search.as_ref());
                let page: Page<ProviderSummary> = api.get(&["providers"], &query).await?;
                Ok(page.items)
            })?
        } else {
            let filter = ProviderFilter { level: self.level, search: self.search.clone() };
            app::providers().list(&filter)
        };
        let text =
            |listed: &[ProviderSummary]| format!("{}{}\n", table(listed), Providers::count(listed));
        Ok(output::list(self.format, &listed, text)?)
    }
}

/// A provider of the given gateway, or of this program.
fn provider(globals: &GlobalArgs, name: &str) -> anyhow::Result<Provider> {
    match globals.api()? {
        Some(api) => block_on(async {
            let provider: Provider = api.get(&["providers", name], &Query::default()).await?;
            Ok(provider)
        }),
        None => Ok(app::providers().show(name)?.clone()),
    }
}

fn table(listed: &[ProviderSummary]) -> String {
    let head = ["NAME", "SENDER", "PROOF", "ALGORITHM", "STRENGTH", "REPLAY PROTECTION"];
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                one.title.clone(),
                one.level.to_string(),
                one.algorithm.clone(),
                one.strength.to_string(),
                one.replay_protection.in_words().to_owned(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

fn page(provider: &Provider) -> String {
    let title = output::line(&provider.title);
    let mut text = format!("Provider {}: {title}\n", output::line(&provider.name));
    for group in provider.facts() {
        text.push('\n');
        text.push_str(group.title);
        text.push('\n');
        for fact in group.facts {
            let labels = std::iter::once(fact.label).chain(std::iter::repeat(""));
            for (label, line) in labels.zip(&fact.texts) {
                let line = format!("  {label:<28} {}\n", output::line(line));
                text.push_str(&line);
            }
        }
    }
    text
}

/// Parses a level.
fn level() -> impl TypedValueParser<Value = ProviderLevel> {
    let words = ProviderLevel::VARIANTS.iter().map(|level| level.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<ProviderLevel>())
}
