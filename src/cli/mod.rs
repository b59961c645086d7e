//! The command line. Standard output is data, standard error is talk; every command's exit code
//! is one of [`Exit`].

mod apify;
mod check;
mod database;
mod dead_letters;
mod demo;
mod dossier;
mod events;
mod fixtures;
mod interrupt;
mod migrate;
mod operator;
mod output;
mod scratch;
mod serve;
mod sse;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError, Environment};
use crate::store::{OpenError, StoreError};

/// A signed-webhook ingestion gateway.
#[derive(Debug, Parser)]
#[command(name = "sealpost", version, about, max_term_width = 100)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Args),
    /// Bring the database's schema up to date.
    Migrate,
    /// Check the configuration and say what it comes to.
    Check,
    /// Play stored webhooks.
    #[command(subcommand)]
    Fixtures(fixtures::Command),
    /// Show what the gateway does with every stored webhook, with nothing set up.
    Demo(demo::Args),
    /// Look at dead letters, and deal with them.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Watch what comes in and what becomes of it.
    #[command(subcommand)]
    Events(events::Command),
    /// Who may call the operator listener.
    #[command(subcommand)]
    Operator(operator::Command),
    /// What the application does when it starts a run at Apify.
    #[command(subcommand)]
    Apify(apify::Command),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As it should.
    Ok = 0,
    /// Something failed, or something differs from what was expected.
    Failed = 1,
    /// Nothing matched the selection.
    NothingMatched = 2,
    /// The command line or the configuration is wrong.
    Usage = 64,
    /// The database cannot be used.
    DatabaseUnavailable = 69,
}

/// The command line asks for what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(&'static str);

/// Runs the command line.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Asking for help is not an error, and clap knows where each text goes.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            drop(error.print());
            return exit.into();
        }
    };
    match cli.dispatch() {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&error);
            exit_of(&error).into()
        }
    }
}

impl Cli {
    fn dispatch(self) -> anyhow::Result<Exit> {
        match &self.command {
            Command::Serve(args) => serve::run(&self.config()?, args),
            Command::Migrate => migrate::run(&self.config()?),
            Command::Check => check::run(&self.config()?),
            Command::Fixtures(command) => {
                fixtures::run(&self.config, &Environment::of_process(), command)
            }
            Command::Demo(args) => demo::run(&Environment::of_process(), args),
            Command::DeadLetters(command) => dead_letters::run(&self.config()?, command),
            Command::Events(command) => {
                events::run(&self.config, &Environment::of_process(), command)
            }
            Command::Operator(command) => operator::run(&self.config, command),
            Command::Apify(command) => apify::run(&self.config()?, command),
        }
    }

    fn config(&self) -> Result<Config, ConfigError> {
        Config::load(&self.config, &Environment::of_process())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// The error and its causes, for people.
#[expect(clippy::print_stderr, reason = "the command line talks on standard error")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
}

/// A word beside the data, for people.
#[expect(clippy::print_stderr, reason = "the command line talks on standard error")]
fn talk(text: &str) {
    eprintln!("{text}");
}

fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if cause.is::<ConfigError>()
            || cause.is::<crate::app::BuildError>()
            || cause.is::<crate::fixtures::SourceError>()
            || cause.is::<UsageError>()
        {
            return Exit::Usage;
        }
        if cause.is::<OpenError>()
            || cause.is::<StoreError>()
            || cause.is::<crate::postgres::ClusterError>()
        {
            return Exit::DatabaseUnavailable;
        }
    }
    Exit::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_put_together_right() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
