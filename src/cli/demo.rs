//! `sealpost demo`: on a machine that has nothing, show in a few seconds what the gateway does with
//! every stored webhook.

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

/// How long a delivery may take until it counts as unfinished.
const PATIENCE: Duration = Duration::from_secs(10);
/// The file, below the demo's folder, of a key of the operator listener.
const API_KEY: &str = "secrets/api-key";
/// Who signs in at the console.
const PERSON: &str = "demo";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep the gateway running afterwards, and say how to look at it and send it more.
    #[arg(long)]
    stay: bool,
}

#[expect(clippy::print_stdout, reason = "the command's data")]
pub(super) fn run(environment: &Environment, args: &Args) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let fixtures = fixtures::embedded()?;
    // What is configured here is left alone: only the way to PostgreSQL's programs counts.
    let settings = Config::resolve(File::default(), environment)?.managed;
    let scratch = Scratch::start(environment, settings)?;
    block_on(async {
        TaskTracker::new().spawn(outlive_hangups()?);
        let target = scratch.target("sealpost")?;
        let application = Application::start(&TaskTracker::new())?;
        let configuration = Configuration::make_up_for(&application)?;
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
            write_down(scratch.folder(), &configuration)?;
            let key = running.access.create_key(&Caller::local("demo"), &key()).await?;
            write_secret(&scratch.folder().join(API_KEY), key.key.as_bytes())?;
            let password = sign_up(&running).await?;
            println!("\n{}", how_to_go_on(&running, scratch.folder(), &password));
            a_signal().await?;
        }
        running.stop().await;
        Ok(if application.believes_everything() { exit(&played) } else { Exit::Failed })
    })
}

/// What another command needs to send to this gateway: configuration, secrets and fixtures.
fn write_down(folder: &Path, configuration: &Configuration) -> anyhow::Result<()> {
    let secrets = folder.join("secrets");
    fs::create_dir(&secrets)?;
    for (name, secret) in &configuration.secrets {
        write_secret(&secrets.join(name), secret.as_bytes())?;
    }
    fs::write(folder.join("config.toml"), Configuration::text(&secrets))?;
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

/// A key that may everything, for as long as the demo's database is there.
fn key() -> NewApiKey {
    NewApiKey {
        name: "demo".to_owned(),
        scopes: Scopes::all(),
        tenant: None,
        expiry: Expiry::Never,
    }
}

/// Makes the person who can sign in at the console; gives the password.
async fn sign_up(running: &Running) -> anyhow::Result<String> {
    let access = &running.access;
    let link = access.first_invitation().await?.context("somebody is there already")?;
    let password = hex::encode(rand::random::<[u8; 10]>());
    let here = Client::at(running.operator.ip());
    access.set_up(&link.token, Some(PERSON), &password, &here).await?;
    Ok(password)
}

fn how_to_go_on(running: &Running, folder: &Path, password: &str) -> String {
    let (ingest, operator, folder) = (running.ingest, running.operator, folder.display());
    format!(
        "The gateway stays until it is interrupted.\n\
         console   http://{operator}/ \u{2013} sign in as `{PERSON}`, password `{password}`\n\
         webhooks  http://{ingest}/hooks/{{source}}\n\
         operator  curl http://{operator}/metrics -H \"Authorization: Bearer $(cat \
         {folder}/{API_KEY})\"\n\
         watch     sealpost events tail --url http://{operator} --key-file {folder}/{API_KEY}\n\
         again     sealpost --config {folder}/config.toml fixtures send {folder}/fixtures \
         --to http://{ingest} --again"
    )
}
