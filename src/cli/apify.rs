//! `sealpost apify`: what the application does when it starts a run.

use uuid::Uuid;

use super::{Exit, UsageError, database, output};
use crate::app::BuildError;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::providers::apify::Platform;
use crate::providers::apify::start::{Request, StartError, Starter, With};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Enter a run into the registry and mint its token.
    ///
    /// Prints one JSON document: the run's key, the token, and `headersTemplate` as a webhook of
    /// Apify's takes it. Do it before the run is started. A source with mode = "token" reads no
    /// tokens: there the run is entered by `--actor-run` once it is started, and none is printed.
    /// It counts against the guild's budget of the day, which begins at midnight UTC; beyond that
    /// it fails and enters nothing. An application calls POST /api/v1/apify/runs on the operator
    /// listener for the same.
    Mint(Mint),
}

#[derive(Debug, clap::Args)]
pub(super) struct Mint {
    /// The source at which the run's webhooks will arrive.
    #[arg(long, value_name = "NAME")]
    source: String,
    /// The Discord guild that the run is started for.
    #[arg(long, value_name = "ID")]
    guild: String,
    /// The application's own id of the run; by default a new one.
    #[arg(long, value_name = "UUID")]
    run_key: Option<Uuid>,
    /// The actor, as its id or its name.
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Apify's id of the run, where it is known already.
    #[arg(long, value_name = "ID")]
    actor_run: Option<String>,
    /// The platform that it looks at: tiktok, instagram, x, youtube or facebook.
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// A post that it is started for, as the application names it; may be repeated.
    #[arg(long, value_name = "ID")]
    post: Vec<String>,
    /// Of a verification: the account's name.
    #[arg(long, value_name = "NAME")]
    handle: Option<String>,
    /// Of a verification: what must stand in the profile; by default made up and printed.
    #[arg(long, value_name = "TEXT")]
    code: Option<String>,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<Exit> {
    let Command::Mint(args) = command;
    let source = find(config, &args.source)?;
    let starter = Starter::new(&args.source, &source.entry.options)
        .map_err(|error| BuildError::Options { source_name: args.source.clone(), error })?;
    let secret = source.secrets.first().ok_or(UsageError("the source has no secret"))?;
    let request = Request {
        source: None,
        guild_id: args.guild.clone(),
        run_key: args.run_key,
        actor_id: args.actor.clone(),
        actor_run_id: args.actor_run.clone(),
        platform: args.platform.as_deref().map(platform).transpose()?,
        posts: args.post.clone(),
        handle: args.handle.clone(),
        code: args.code.clone(),
    };
    let started = database::with_store(config, async |store| {
        let with = With { store, secret, now: SystemClock.now(), key: None };
        // The errors that have an exit code of their own are told by their type.
        starter.start(with, &request).await.map_err(|error| match error {
            StartError::Invalid(why) => UsageError(why).into(),
            StartError::Store(error) => error.into(),
            error => anyhow::Error::new(error),
        })
    })?;
    output::print(&output::json(&started.json(&starter)))?;
    Ok(Exit::Ok)
}

fn find<'a>(config: &'a Config, name: &str) -> Result<&'a SourceConfig, UsageError> {
    let mut apify = config.sources.iter().filter(|source| source.entry.provider == "apify");
    let found = apify.find(|source| source.entry.name == name);
    found.ok_or(UsageError("there is no source of this name with provider = \"apify\""))
}

fn platform(word: &str) -> Result<Platform, UsageError> {
    let known = UsageError("a platform is tiktok, instagram, x, youtube or facebook");
    Platform::read(word).ok_or(known)
}
