//! `sealpost operator`: who may call the operator listener.

use std::path::Path;

use super::actor;
use super::{Exit, UsageError, block_on, database, output};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Environment};
use crate::operator;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say who made the operator listener's token and when; with `--new`, make another.
    ///
    /// A token is shown once, when it is made: the gateway keeps only its digest. Where the
    /// configuration names one (operator.token), that one counts and none is made.
    Token(Token),
}

#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// Make a new token and print it. The one before it is refused from then on.
    #[arg(long)]
    new: bool,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME", requires = "new",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
}

pub(super) fn run(path: &Path, command: &Command) -> anyhow::Result<Exit> {
    let Command::Token(args) = command;
    let config = Config::load_without_sources(path, &Environment::of_process())?;
    if config.file.operator.token.is_some() {
        return Err(UsageError("the configuration names the token: operator.token").into());
    }
    let actor = args.new.then(|| actor(args.actor.as_deref())).transpose()?;
    let database = database::share(&config)?;
    block_on(async {
        database.target.check_migrated().await?;
        let store = app::open_store(&config, database.target.clone());
        let exit = match &actor {
            Some(actor) => {
                let token = operator::replace_token(&store, SystemClock.now(), actor).await?;
                output::print(&format!("{}\n", *token))?;
                Exit::Ok
            }
            None => match store.operator_token_origin().await? {
                Some((at, by)) => {
                    let (at, by) = (output::time(at), output::line(&by));
                    output::print(&format!("made {at} by {by}\n"))?;
                    Exit::Ok
                }
                None => Exit::NothingMatched,
            },
        };
        store.close().await;
        Ok(exit)
    })
}
