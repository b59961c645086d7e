//! `sealpost fixtures`: play stored webhooks against a running gateway or a temporary one.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use url::Url;

use super::globals::GlobalArgs;
use super::interrupt::interruptible;
use super::output::Format;
use super::scratch::Scratch;
use super::{Exit, block_on, capture};
use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::fixtures::{self, Fixture, Played, Player, Sender};
use crate::store::Target;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Sign fixtures, send them to a running gateway, and check its responses.
    ///
    /// Uses the secrets of the configured sources. Deliveries are not checked: the gateway can run
    /// anywhere.
    Send(SendArgs),
    /// Play fixtures in a temporary database and check responses, deliveries and effects.
    Run(RunArgs),
    /// Write stored events as fixtures, without secrets and personal data.
    ///
    /// A fixture expects the recorded outcome of its event: one made from a dead letter expects a
    /// dead letter, and fails once the bug is fixed. Replaced values are listed; review the file
    /// anyway.
    Capture(capture::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct SendArgs {
    /// Fixture files, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Gateway URL, such as <http://127.0.0.1:8080>.
    #[arg(long, value_name = "URL")]
    to: Url,
    /// Source to send all fixtures to; defaults to the configured source of their provider.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Accept duplicates where new events are expected, for fixtures that were sent before.
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Fixture files, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the results to this file in `JUnit` format.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Output {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(
    globals: &GlobalArgs,
    environment: &Environment,
    command: &Command,
) -> anyhow::Result<Exit> {
    match command {
        Command::Capture(args) => capture::run(globals, args),
        Command::Send(args) => send(globals.load()?, args),
        Command::Run(args) => {
            let config = Config::load_without_sources(&globals.config, environment)?;
            offline(&config, environment, args)
        }
    }
}

fn send(config: Config, args: &SendArgs) -> anyhow::Result<Exit> {
    let fixtures = fixtures::load(&args.paths)?;
    let began = Instant::now();
    let player = Player {
        config,
        source: args.source.clone(),
        sender: Sender::new(args.to.as_str())?,
        clock: Arc::new(SystemClock),
        inside: None,
        again: args.again,
    };
    // Resolve the source of every fixture before sending anything.
    for fixture in fixtures.iter().filter(|fixture| !fixture.is_sender_only()) {
        player.source_of(fixture)?;
    }
    let results = block_on(interruptible(async {
        let mut progress = Progress::over(fixtures.len());
        Ok(player.play_in_order(&fixtures, |fixture| progress.next(fixture)).await)
    }))?;
    show(&results, &args.output, began)
}

fn offline(config: &Config, environment: &Environment, args: &RunArgs) -> anyhow::Result<Exit> {
    let fixtures = fixtures::load(&args.paths)?;
    if fixtures.is_empty() {
        return show(&[], &args.output, Instant::now());
    }
    let name = format!("sealpost_fixtures_{}", hex::encode(rand::random::<[u8; 6]>()));
    let (target, _scratch) = if let Some(url) = &config.database_url {
        (Target::from_url(url)?.with_database(&name), None)
    } else {
        let scratch = Scratch::start(environment, config.managed.clone())?;
        (scratch.target(&name)?, Some(scratch))
    };
    let began = Instant::now();
    let played = block_on(async {
        target.create_if_missing().await?;
        let mut progress = Progress::over(fixtures.len());
        let running = fixtures::run(target.clone(), &fixtures, |fixture| progress.next(fixture));
        let played = Box::pin(interruptible(async { Ok(Box::pin(running).await?) })).await;
        // Drop the temporary database in any case.
        target.drop_if_exists().await?;
        played
    })?;
    if let Some(path) = &args.junit {
        std::fs::write(path, fixtures::junit(&played)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    show(&played, &args.output, began)
}

#[expect(clippy::print_stdout, reason = "the command's data")]
#[expect(clippy::print_stderr, reason = "why there are no data")]
fn show(played: &[Played], output: &Output, began: Instant) -> anyhow::Result<Exit> {
    match output.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(played)?),
        Format::Text if played.is_empty() => eprintln!("no fixtures found"),
        Format::Text => {
            println!("{}", fixtures::table(played));
            print!("{}", fixtures::diff(played));
            println!("{}", fixtures::summary(played, began.elapsed()));
        }
    }
    Ok(exit(played))
}

/// Failed if any fixture differs; nothing matched if none was played.
pub(super) fn exit(played: &[Played]) -> Exit {
    if played.iter().any(|one| !one.is_as_expected()) {
        return Exit::Failed;
    }
    if played.iter().all(|one| one.skipped.is_some()) { Exit::NothingMatched } else { Exit::Ok }
}

/// Shows the progress on a terminal.
pub(super) struct Progress {
    total: usize,
    begun: usize,
    shown: bool,
}

impl Progress {
    pub(super) fn over(total: usize) -> Self {
        Self { total, begun: 0, shown: std::io::stderr().is_terminal() }
    }

    pub(super) fn next(&mut self, fixture: &Fixture) {
        self.begun += 1;
        self.show(&format!("[{}/{}] {}", self.begun, self.total, fixture.label()));
    }

    fn show(&self, line: &str) {
        if self.shown {
            // Overwrite the last line, and ignore a closed terminal.
            write!(std::io::stderr(), "\r\x1b[2K{line}").ok();
            std::io::stderr().flush().ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show("");
    }
}
