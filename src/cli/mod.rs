//! The command line. Data goes to standard output, messages go to standard error; every command's
//! exit code is one of [`Exit`].

mod actions;
mod alerts;
mod api_keys;
mod apify;
mod audit;
mod backend;
mod capture;
mod check;
mod colour;
mod database;
mod dead_letters;
mod delivery_detail;
mod demo;
mod destinations;
mod docora;
mod erase;
mod event_page;
mod event_table;
mod events;
mod exit;
mod explain;
mod export;
mod first_link;
mod fixtures;
mod globals;
mod groups;
mod help;
mod interrupt;
mod jobs;
mod local_only;
mod login;
mod manual;
mod migrate;
mod output;
mod overview;
mod pauses;
mod providers;
mod reference;
mod rejected_requests;
mod remote;
mod resend;
mod response_table;
mod scratch;
mod search;
mod serve;
mod settings;
mod sources;
mod sse;
mod start;
mod subject_selection;
mod transfers;
mod user_messages;
mod users;
mod vault;

use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser, Subcommand};
use zeroize::Zeroizing;

pub use exit::Exit;

use self::exit::UsageError;
use self::globals::GlobalArgs;
use self::local_only::LocalOnly;
use crate::admin::{Caller, Invitation};
use crate::config::Environment;

/// A signed-webhook ingestion gateway.
#[derive(Debug, Parser)]
#[command(name = "sealpost", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: GlobalArgs,
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
    /// Show deliveries in any state, and retry those that wait.
    #[command(subcommand)]
    Deliveries(dead_letters::Deliveries),
    /// Deliver events again, or for the first time.
    ///
    /// Creates a new delivery of each selected event, in the order of arrival, under the same event
    /// ID; a destination sees the header `sealpost-resend`. An open dead letter is resolved by it,
    /// and an event with an unfinished delivery is skipped. With --to, an event that the destination
    /// never got is delivered too: `--state missing` selects only those, which back-fills a new
    /// destination. Only previewed unless --yes is given.
    Resend(resend::Resend),
    /// Attempt waiting deliveries now, instead of at the end of their backoff.
    ///
    /// Those behind another delivery of their lane, or for a blocked destination, still wait.
    /// Only previewed unless --yes is given; `deliveries retry` takes one by its ID.
    RetryNow(resend::RetryNow),
    /// Pause or resume handlers.
    #[command(subcommand)]
    Handlers(actions::Perform<actions::OnHandler>),
    /// List paused sources and handlers.
    #[command(subcommand)]
    Pauses(pauses::Command),
    /// Plan, start, show and cancel bulk actions.
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
    /// Erase the payload of events, and everything derived from it.
    ///
    /// Without --yes it is a dry run: nothing is changed, and the numbers are those of the erasure.
    /// Id, times, source, type, key and the digest of the body stay, with who erased it and why.
    /// An erasure that was interrupted is continued by running it again. Backups, sent alerts,
    /// captured fixtures and what destinations received are not reached.
    Erase(erase::Args),
    /// Export events with their payload, as an archive that can be verified.
    ///
    /// Writes a folder with `events.ndjson`, one event with body, deliveries and attempts per
    /// line, and `manifest.json`, with the selection and the SHA-256 of the file and of every
    /// body. The archive contains untrusted data. `sealpost export verify` checks it.
    Export(export::Args),
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
    /// Save a gateway and an API key under a name.
    ///
    /// The key is read from --key-file, the variable `SEALPOST_API_KEY` or standard input, and
    /// checked against the gateway at --url. Both are saved in `sealpost/contexts.toml` in the user's configuration directory, which
    /// only its owner can read. `--context NAME` then runs any command over the gateway's API, with
    /// the scopes of the key.
    Login(login::Login),
    /// Delete a saved gateway and its API key.
    Logout(login::Logout),
    /// List the saved gateways.
    Contexts(login::List),
    /// Show and verify the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// List and show providers, and print sources for the configuration file.
    #[command(subcommand)]
    Providers(providers::Command),
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

/// Runs the command line.
pub fn run() -> ExitCode {
    let parsed = help::command().try_get_matches();
    let parsed = parsed
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, local_only::called(&matches))));
    let (cli, local) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Asking for help is not an error, and clap knows where each text goes.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            drop(error.print());
            return exit.into();
        }
    };
    match cli.dispatch(local) {
        Ok(exit) => {
            if exit == Exit::NothingMatched {
                print_message("nothing matched");
            }
            exit.into()
        }
        Err(error) => {
            print_error(&error);
            exit::exit_of(&error).into()
        }
    }
}

impl Cli {
    fn dispatch(self, local: Option<LocalOnly>) -> anyhow::Result<Exit> {
        let globals = &self.globals;
        if let Some(local) = local {
            globals.reject_gateway(local)?;
        }
        match &self.command {
            Command::Serve(args) => serve::run(&globals.load()?, &Environment::of_process(), args),
            Command::Migrate => migrate::run(&globals.load()?),
            Command::Check(args) => check::run(&globals.config, &Environment::of_process(), args),
            Command::Fixtures(command) => {
                fixtures::run(globals, &Environment::of_process(), command)
            }
            Command::Explain(args) => explain::run(globals, &Environment::of_process(), args),
            Command::Rejected(command) => rejected_requests::run(globals, command),
            Command::Demo(args) => demo::run(&Environment::of_process(), args),
            Command::DeadLetters(command) => dead_letters::run(globals, command),
            Command::Groups(command) => groups::run(globals, command),
            Command::Deliveries(command) => command.run(globals),
            Command::Resend(args) => args.run(globals),
            Command::RetryNow(args) => args.run(globals),
            Command::Handlers(action) => action.run(globals),
            Command::Pauses(command) => pauses::run(globals, command),
            Command::Jobs(command) => jobs::run(globals, command),
            Command::Alerts(command) => alerts::run(globals, command),
            Command::Vault(vault::Command::Key) => vault::key(),
            Command::Vault(vault::Command::Rotate(rotate)) => rotate.run(&globals.load()?),
            Command::Docora(command) => docora::run(&globals.load()?, command),
            Command::Destinations(command) => destinations::run(globals, command),
            Command::Events(command) => events::run(globals, &Environment::of_process(), command),
            Command::Settings(args) => settings::run(globals, args),
            Command::ApiKeys(command) => api_keys::run(globals, command),
            Command::Users(command) => users::run(globals, command),
            Command::Login(args) => args.run(globals),
            Command::Logout(args) => args.run(),
            Command::Contexts(args) => args.run(),
            Command::Audit(command) => audit::run(globals, command),
            Command::Providers(command) => providers::run(globals, command),
            Command::Overview(args) => overview::run(globals, args),
            Command::Erase(args) => args.run(globals),
            Command::Export(args) => args.run(globals),
            Command::Transfers(command) => transfers::run(globals, command),
            Command::Sources(command) => sources::run(globals, command),
            Command::Openapi => {
                output::print(&crate::app::document())?;
                Ok(Exit::Ok)
            }
            Command::Apify(command) => apify::run(&globals.load()?, command),
            Command::Completions(args) => manual::completions(args),
            Command::Man(args) => manual::man(args),
            Command::Reference(args) => reference::run(args),
        }
    }
}

/// Runs a command's asynchronous part.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Prints the error and its causes. They may contain text from clients.
#[expect(clippy::print_stderr, reason = "messages go to standard error")]
fn print_error(error: &anyhow::Error) {
    eprintln!("error: {}", output::lines(&error.to_string()));
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {}", output::lines(&cause.to_string()));
    }
    if let Some(hint) = error.chain().find_map(exit::hint) {
        eprintln!("hint: {}", output::line(&hint));
    }
}

/// Prints a message on standard error.
#[expect(clippy::print_stderr, reason = "messages go to standard error")]
fn print_message(text: &str) {
    eprintln!("{text}");
}

/// Says why a payload is missing. Only an API key can lack the scope.
fn report_hidden_payload(is_hidden: bool) {
    if is_hidden {
        print_message("payload hidden: this key has no payload:read scope");
    }
}

/// Prints how to list the next page, after a full one.
fn print_next_page_hint<T, I: std::fmt::Display>(listed: &[T], limit: u32, id: impl Fn(&T) -> I) {
    if let Some(last) = listed.last()
        && listed.len() == limit as usize
    {
        print_message(&format!("there may be more results: --before {}", id(last)));
    }
}

/// Overwrites the last message on a terminal.
#[expect(clippy::print_stderr, reason = "messages go to standard error")]
fn overwrite_message(text: &str) {
    eprint!("\r{text}\u{1b}[K");
}

/// Parses a duration on the command line.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let invalid = |_| format!("invalid duration `{text}`; for example 90s, 2h, 3d");
    humantime::parse_duration(text).map_err(invalid)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
