//! The command line. Data goes to standard output, messages go to standard error; every command's
//! exit code is one of [`Exit`].

mod actions;
mod alerts;
mod api_keys;
mod apify;
mod audit;
mod capture;
mod check;
mod database;
mod dead_letters;
mod delivery_detail;
mod demo;
mod destinations;
mod docora;
mod event_page;
mod event_table;
mod events;
mod explain;
mod fixtures;
mod groups;
mod help;
mod interrupt;
mod jobs;
mod manual;
mod migrate;
mod output;
mod overview;
mod pauses;
mod reference;
mod rejected_requests;
mod scratch;
mod search;
mod serve;
mod settings;
mod sources;
mod sse;
mod start;
mod transfers;
mod users;
mod vault;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser, Subcommand};
use zeroize::Zeroizing;

use crate::admin::{AdminError, Caller, Invitation};
use crate::config::{Config, ConfigError, Environment};
use crate::store::{OpenError, StoreError};
use crate::vault::VaultError;

/// A signed-webhook ingestion gateway.
#[derive(Debug, Parser)]
#[command(name = "sealpost", version, about, max_term_width = 100)]
pub struct Cli {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Args),
    /// Migrate the database schema to the latest version.
    Migrate,
    /// Validate the configuration and print a summary.
    ///
    /// Exits with 64 if `serve` would reject the configuration, and with 1 if the database or a
    /// destination fails its check.
    Check(check::Args),
    /// Diagnose why a recorded request is rejected.
    ///
    /// Distinguishes a wrong secret, a body that was changed in transit, a signature that is too
    /// old or in another format, and a secret that is retired or in another encoding. Never prints
    /// the correct signature. Exits with 0 if the request verifies, with 1 if not.
    Explain(explain::Args),
    /// Inspect and reprocess rejected requests that were kept.
    #[command(subcommand)]
    Rejected(rejected_requests::Command),
    /// Play stored webhooks.
    #[command(subcommand)]
    Fixtures(fixtures::Command),
    /// Run a temporary gateway and send it every stored webhook; needs no setup.
    Demo(demo::Args),
    /// List, replay and discard dead letters.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// List dead letters grouped by error.
    #[command(subcommand)]
    Groups(groups::Command),
    /// Show deliveries in any state.
    #[command(subcommand)]
    Deliveries(dead_letters::Deliveries),
    /// Pause or resume handlers.
    #[command(subcommand)]
    Handlers(actions::Perform<actions::OnHandler>),
    /// List paused sources and handlers.
    #[command(subcommand)]
    Pauses(pauses::Command),
    /// Plan, start, show and cancel bulk replays and discards.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// List alerts and test the alert channel.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Generate and rotate master keys.
    #[command(subcommand)]
    Vault(vault::Command),
    /// Manage the repositories that Docora watches.
    #[command(subcommand)]
    Docora(docora::Command),
    /// Show, test, pause and resume destinations.
    #[command(subcommand)]
    Destinations(destinations::Command),
    /// Show open alarms and the status of every source.
    Overview(overview::Args),
    /// Search events and follow them live.
    #[command(subcommand)]
    Events(events::Command),
    /// Show payloads that arrive in chunks.
    #[command(subcommand)]
    Transfers(transfers::Command),
    /// Show, test, pause and resume sources.
    #[command(subcommand)]
    Sources(sources::Command),
    /// Print the effective configuration, without secrets.
    Settings(settings::Args),
    /// Manage API keys for the admin API.
    #[command(subcommand)]
    ApiKeys(api_keys::Command),
    /// Manage console users.
    #[command(subcommand)]
    Users(users::Command),
    /// Show and verify the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print the `OpenAPI` 3.1 document of the admin API.
    Openapi,
    /// Register Apify runs and mint their tokens.
    #[command(subcommand)]
    Apify(apify::Command),
    /// Print shell completions.
    Completions(manual::Completions),
    /// Print or write the manual pages.
    Man(manual::Man),
    /// Print a generated part of the documentation.
    #[command(hide = true)]
    Reference(reference::Args),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success.
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

/// Invalid command line arguments.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(&'static str);

/// Runs the command line.
pub fn run() -> ExitCode {
    let parsed = help::command().try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Asking for help is not an error, and clap knows where each text goes.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            drop(error.print());
            return exit.into();
        }
    };
    match cli.dispatch() {
        Ok(exit) => {
            if exit == Exit::NothingMatched {
                talk("nothing matched");
            }
            exit.into()
        }
        Err(error) => {
            complain(&error);
            exit_of(&error).into()
        }
    }
}

impl Cli {
    fn dispatch(self) -> anyhow::Result<Exit> {
        match &self.command {
            Command::Serve(args) => serve::run(&self.config()?, &Environment::of_process(), args),
            Command::Migrate => migrate::run(&self.config()?),
            Command::Check(args) => check::run(&self.config()?, args),
            Command::Fixtures(command) => {
                fixtures::run(&self.config, &Environment::of_process(), command)
            }
            Command::Explain(args) => {
                explain::run(&self.config()?, &Environment::of_process(), args)
            }
            Command::Rejected(command) => rejected_requests::run(&self.config, command),
            Command::Demo(args) => demo::run(&Environment::of_process(), args),
            Command::DeadLetters(command) => dead_letters::run(&self.config, command),
            Command::Groups(command) => groups::run(&self.config, command),
            Command::Deliveries(command) => command.run(&self.config),
            Command::Handlers(action) => action.run(&self.config),
            Command::Pauses(command) => pauses::run(&self.config, command),
            Command::Jobs(command) => jobs::run(&self.config, command),
            Command::Alerts(command) => alerts::run(&self.config, command),
            Command::Vault(vault::Command::Key) => vault::key(),
            Command::Vault(vault::Command::Rotate(rotate)) => rotate.run(&self.config()?),
            Command::Docora(command) => docora::run(&self.config()?, command),
            Command::Destinations(command) => destinations::run(&self.config, command),
            Command::Events(command) => {
                events::run(&self.config, &Environment::of_process(), command)
            }
            Command::Settings(args) => settings::run(&self.config, args),
            Command::ApiKeys(command) => api_keys::run(&self.config, command),
            Command::Users(command) => users::run(&self.config, command),
            Command::Audit(command) => audit::run(&self.config, command),
            Command::Overview(args) => overview::run(&self.config, args),
            Command::Transfers(command) => transfers::run(&self.config, command),
            Command::Sources(command) => sources::run(&self.config, command),
            Command::Openapi => {
                output::print(&crate::app::document())?;
                Ok(Exit::Ok)
            }
            Command::Apify(command) => apify::run(&self.config()?, command),
            Command::Completions(args) => manual::completions(args),
            Command::Man(args) => manual::man(args),
            Command::Reference(args) => reference::run(args),
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

/// Prints the error and its causes. They may contain text from clients.
#[expect(clippy::print_stderr, reason = "messages go to standard error")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {}", output::lines(&error.to_string()));
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {}", output::lines(&cause.to_string()));
    }
    if let Some(hint) = error.chain().find_map(hint) {
        eprintln!("hint: {hint}");
    }
}

/// A hint for errors whose message has none.
fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<OpenError>() {
        return error.trouble().advice();
    }
    if let Some(ConfigError::Read { .. }) = cause.downcast_ref() {
        return Some("set the path with --config");
    }
    match cause.downcast_ref() {
        Some(AdminError::NotFound(_)) => Some("the `list` commands show existing names and IDs"),
        Some(AdminError::Vault(VaultError::WrongKey { .. })) => {
            Some("add the master key that sealed it to SEALPOST_MASTER_KEY_OLD")
        }
        _ => None,
    }
}

/// Prints a message on standard error.
#[expect(clippy::print_stderr, reason = "messages go to standard error")]
fn talk(text: &str) {
    eprintln!("{text}");
}

/// Overwrites the last message on a terminal.
#[expect(clippy::print_stderr, reason = "messages go to standard error")]
fn talk_over(text: &str) {
    eprint!("\r{text}\u{1b}[K");
}

/// The link to choose a password; `base` is the URL of the console.
fn setup_link(base: &str, invitation: &Invitation) -> Zeroizing<String> {
    Zeroizing::new(format!("{base}{}", *invitation.path))
}

/// The name for the audit log: the given one, or that of the environment or the account.
fn actor(named: Option<&str>) -> Result<String, UsageError> {
    let environment = Environment::of_process();
    let user = || environment.get("USER").or_else(|| environment.get("LOGNAME"));
    // The account's name, for services and containers that set no `USER`.
    let account =
        || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    let named = named.or_else(user).map(str::to_owned).or_else(account);
    named.ok_or(UsageError("cannot determine the user; pass --actor"))
}

/// The caller: local commands have every scope.
fn caller(named: Option<&str>) -> Result<Caller, UsageError> {
    Ok(Caller::local(actor(named)?))
}

fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        match cause.downcast_ref() {
            Some(AdminError::NotFound(_)) => return Exit::NothingMatched,
            Some(AdminError::Invalid(_)) => return Exit::Usage,
            _ => {}
        }
        if cause.is::<ConfigError>()
            || cause.is::<start::Refused>()
            || matches!(cause.downcast_ref(), Some(OpenError::Url(_)))
            || cause.is::<crate::app::BuildError>()
            || cause.is::<crate::fixtures::SourceError>()
            || cause.is::<UsageError>()
            || matches!(cause.downcast_ref(), Some(VaultError::NoKey))
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
    fn the_command_line_is_valid() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
