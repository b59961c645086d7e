//! `sealpost demo`: run a temporary gateway and send it every stored webhook.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio_util::task::TaskTracker;

use super::fixtures::{Progress, exit};
use super::interrupt::{a_signal, interruptible};
use super::scratch::Scratch;
use super::{Exit, block_on};
use crate::admin::{Caller, Client, Expiry, NewApiKey, Scopes};
use crate::config::{Config, Environment, File};
use crate::fixtures::{self, Application, Configuration, EMBEDDED, Running, Work};
use crate::lifecycle::outlive_hangups;

/// How long a delivery may take before it counts as unfinished.
const PATIENCE: Duration = Duration::from_secs(10);
/// File with an API key, in the demo's directory.
const API_KEY: &str = "secrets/api-key";
/// The console user.
const USER: &str = "demo";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the gateway running afterwards, and print how to use it.
    #[arg(long)]
    stay: bool,
}

#[expect(clippy::print_stdout, reason = "the command's data")]
pub(super) fn run(environment: &Environment, args: &Args) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let fixtures = fixtures::embedded()?;
    // The local configuration is ignored, except for the location of the PostgreSQL programs.
    let settings = Config::resolve(File::default(), environment)?.managed;
    let scratch = Scratch::start(environment, settings)?;
    block_on(async {
        TaskTracker::new().spawn(outlive_hangups()?);
        let target = scratch.target("sealpost")?;
        let application = Application::start(&TaskTracker::new())?;
        let configuration = Configuration::generate_for(&fixtures, &application)?;
        let config = &configuration.config;
        let playing = interruptible(async {
            target.create_if_missing().await?;
            let running = Running::start(config, target, true).await?;
            let player = running.player(config, Work::Wait(PATIENCE))?;
            let mut progress = Progress::over(fixtures.len());
            let all = player.play_side_by_side(&fixtures, |fixture| progress.next(fixture));
            let results = all.await;
            drop(progress);
            Ok((running, results))
        });
        let (running, played) = Box::pin(playing).await?;
        println!("{}", fixtures::table(&played));
        print!("{}", fixtures::diff(&played));
        println!("{}", fixtures::summary(&played, began.elapsed()));
        println!("{}", application.summary());
        if args.stay {
            write_setup(scratch.folder(), &configuration)?;
            let key = running.access.create_key(&Caller::local("demo"), &key()).await?;
            write_secret(&scratch.folder().join(API_KEY), key.key.as_bytes())?;
            let password = sign_up(&running).await?;
            println!("\n{}", instructions(&running, scratch.folder(), &password));
            a_signal().await?;
        }
        running.stop().await;
        Ok(if application.believes_everything() { exit(&played) } else { Exit::Failed })
    })
}

/// Writes the configuration, secrets and fixtures for sending more requests to this gateway.
fn write_setup(folder: &Path, configuration: &Configuration) -> anyhow::Result<()> {
    let secrets = folder.join("secrets");
    fs::create_dir(&secrets)?;
    for (name, secret) in &configuration.secrets {
        write_secret(&secrets.join(name), secret.as_bytes())?;
    }
    fs::write(folder.join("config.toml"), configuration.text(&secrets))?;
    let stored = folder.join("fixtures");
    fs::create_dir(&stored)?;
    EMBEDDED.extract(&stored)?;
    Ok(())
}

fn write_secret(path: &Path, secret: &[u8]) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(secret))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A key with all scopes; it lives as long as the demo's database.
fn key() -> NewApiKey {
    NewApiKey {
        name: "demo".to_owned(),
        scopes: Scopes::all(),
        tenant: None,
        expiry: Expiry::Never,
    }
}

/// Creates the console user; returns the password.
async fn sign_up(running: &Running) -> anyhow::Result<String> {
    let access = &running.access;
    let link = access.first_invitation().await?.context("a user already exists")?;
    let password = hex::encode(rand::random::<[u8; 10]>());
    let here = Client::at(running.operator.ip());
    access.set_up(link.token(), Some(USER), &password, &here).await?;
    Ok(password)
}

fn instructions(running: &Running, folder: &Path, password: &str) -> String {
    let (ingest, operator, folder) = (running.ingest, running.operator, folder.display());
    format!(
        "The gateway runs until it is interrupted (Ctrl-C).\n\
         console   http://{operator}/ \u{2013} sign in as `{USER}`, password `{password}`\n\
         webhooks  http://{ingest}/hooks/{{source}}\n\
         metrics   curl http://{operator}/metrics -H \"Authorization: Bearer $(cat \
         {folder}/{API_KEY})\"\n\
         watch     sealpost events tail --url http://{operator} --key-file {folder}/{API_KEY}\n\
         resend    sealpost --config {folder}/config.toml fixtures send {folder}/fixtures \
         --to http://{ingest} --again"
    )
}
