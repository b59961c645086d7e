//! The command line. Standard output is data, standard error is talk; every command's exit code
//! is one of [`Exit`].

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
mod monitoring;
mod output;
mod overview;
mod pauses;
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
    ///
    /// Ends with 64 where `serve` would refuse it, and with 1 where the database or a destination
    /// that it asked cannot be used.
    Check(check::Args),
    /// Say why a recorded request is refused.
    ///
    /// Tells a wrong key from a body that was changed on its way, a signature that is too old or
    /// written in another way, and a secret that is retired or used in another form. Never shows
    /// the signature that would be right. Ends with 0 where the request holds, with 1 where not.
    Explain(explain::Args),
    /// Look at refused requests that are held, and verify them again.
    #[command(subcommand)]
    Rejected(rejected_requests::Command),
    /// Play stored webhooks.
    #[command(subcommand)]
    Fixtures(fixtures::Command),
    /// Show what the gateway does with every stored webhook, with nothing set up.
    Demo(demo::Args),
    /// Look at dead letters, and deal with them.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Look at dead letters that look alike, counted.
    #[command(subcommand)]
    Groups(groups::Command),
    /// Look at deliveries, dead or not.
    #[command(subcommand)]
    Deliveries(dead_letters::Deliveries),
    /// Hold handlers back, or let them go on.
    #[command(subcommand)]
    Handlers(pauses::Handlers),
    /// Look at what is paused.
    #[command(subcommand)]
    Pauses(pauses::Command),
    /// Replay or discard many: plan it, start it, look at it, cancel it.
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Look at what people are told, and try whether they can be.
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Make master keys, and seal with the newest.
    #[command(subcommand)]
    Vault(vault::Command),
    /// Tell Docora which repositories to watch.
    #[command(subcommand)]
    Docora(docora::Command),
    /// Look at the destinations, and hold them back or let them go on.
    #[command(subcommand)]
    Destinations(destinations::Command),
    /// Say whether anything is wrong, and how every source stands.
    Overview(overview::Args),
    /// Look for events, and watch what comes in and what becomes of it.
    #[command(subcommand)]
    Events(events::Command),
    /// Look at payloads that come in chunks.
    #[command(subcommand)]
    Transfers(transfers::Command),
    /// Look at sources and the use of their secrets.
    #[command(subcommand)]
    Sources(sources::Command),
    /// Print the configuration in effect, key by key, without a secret in it.
    Settings(settings::Args),
    /// The keys that machines show to the operator listener.
    #[command(subcommand)]
    ApiKeys(api_keys::Command),
    /// Who signs in at the operator listener.
    #[command(subcommand)]
    Users(users::Command),
    /// Who did what, and whether the log still says what was written.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print the description of the operator's API, in the form of `OpenAPI` 3.1.
    Openapi,
    /// What the application does when it starts a run at Apify.
    #[command(subcommand)]
    Apify(apify::Command),
    /// Print what a shell reads to complete commands.
    Completions(manual::Completions),
    /// Write the manual: a page for every command.
    Man(manual::Man),
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
            Command::Rejected(command) => rejected_requests::run(&self.config()?, command),
            Command::Demo(args) => demo::run(&Environment::of_process(), args),
            Command::DeadLetters(command) => dead_letters::run(&self.config()?, command),
            Command::Groups(command) => groups::run(&self.config()?, command),
            Command::Deliveries(command) => command.run(&self.config()?),
            Command::Handlers(command) => pauses::run_on_handler(&self.config()?, command),
            Command::Pauses(command) => pauses::run(&self.config()?, command),
            Command::Jobs(command) => jobs::run(&self.config()?, command),
            Command::Alerts(command) => alerts::run(&self.config()?, command),
            Command::Vault(vault::Command::Key) => vault::key(),
            Command::Vault(vault::Command::Rotate(rotate)) => rotate.run(&self.config()?),
            Command::Docora(command) => docora::run(&self.config()?, command),
            Command::Destinations(command) => destinations::run(&self.config()?, command),
            Command::Events(command) => {
                events::run(&self.config, &Environment::of_process(), command)
            }
            Command::Settings(args) => settings::run(&self.config()?, args),
            Command::ApiKeys(command) => api_keys::run(&self.config, command),
            Command::Users(command) => users::run(&self.config, command),
            Command::Audit(command) => audit::run(&self.config, command),
            Command::Overview(args) => overview::run(&self.config()?, args),
            Command::Transfers(command) => transfers::run(&self.config()?, command),
            Command::Sources(command) => sources::run(&self.config()?, command),
            Command::Openapi => {
                output::print(&crate::app::document())?;
                Ok(Exit::Ok)
            }
            Command::Apify(command) => apify::run(&self.config()?, command),
            Command::Completions(args) => manual::completions(args),
            Command::Man(args) => manual::man(args),
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

/// The error and its causes, for people. Strangers' words may be in it.
#[expect(clippy::print_stderr, reason = "the command line talks on standard error")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {}", output::lines(&error.to_string()));
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {}", output::lines(&cause.to_string()));
    }
    if let Some(hint) = error.chain().find_map(hint) {
        eprintln!("hint: {hint}");
    }
}

/// What to do about an error that does not say so itself.
fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<OpenError>() {
        return error.trouble().advice();
    }
    if let Some(ConfigError::Read { .. }) = cause.downcast_ref() {
        return Some("name the file with --config");
    }
    match cause.downcast_ref() {
        Some(AdminError::NotFound(_)) => Some("the commands named `list` show what there is"),
        Some(AdminError::Vault(VaultError::WrongKey { .. })) => {
            Some("put the master key that sealed it into SEALPOST_MASTER_KEY_OLD")
        }
        _ => None,
    }
}

/// A word beside the data, for people.
#[expect(clippy::print_stderr, reason = "the command line talks on standard error")]
fn talk(text: &str) {
    eprintln!("{text}");
}

/// A word in the place of the last one, on a terminal.
#[expect(clippy::print_stderr, reason = "the command line talks on standard error")]
fn talk_over(text: &str) {
    eprint!("\r{text}\u{1b}[K");
}

/// The address by which somebody chooses a password; `base` is where browsers reach us.
fn setup_link(base: &str, invitation: &Invitation) -> Zeroizing<String> {
    Zeroizing::new(format!("{base}/setup?token={}", *invitation.token))
}

/// Who acts, for the audit log: as they say, else as the environment or the account says.
fn actor(named: Option<&str>) -> Result<String, UsageError> {
    let environment = Environment::of_process();
    let user = || environment.get("USER").or_else(|| environment.get("LOGNAME"));
    // The account's name, for services and containers that set no `USER`.
    let account =
        || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    let named = named.or_else(user).map(str::to_owned).or_else(account);
    named.ok_or(UsageError("who are you? say so with --actor"))
}

/// Who acts: whoever runs the command line beside the database may do everything.
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
    fn the_command_line_is_put_together_right() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
