//! `sealpost fixtures capture`: write stored events as fixtures.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use uuid::Uuid;

use super::{Exit, actor, database, output};
use crate::admin::{Caller, capture};
use crate::app;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::store::EventId;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Event IDs.
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<Uuid>,
    /// Output directory; each fixture goes into the subdirectory of its provider.
    #[arg(long, value_name = "DIR", default_value = "fixtures")]
    to: PathBuf,
    /// Field to keep unchanged wherever it appears; may be repeated.
    #[arg(long, value_name = "FIELD")]
    keep: Vec<String>,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<Exit> {
    let caller = Caller::local(actor(None)?);
    let verifiers = app::verifiers(config)?;
    database::with_store(config, async |store| {
        for id in &args.events {
            let requested = (EventId(*id), SystemClock.now());
            let captured = capture(&caller, store, &verifiers, requested, &args.keep).await?;
            let folder = args.to.join(&captured.provider);
            let path = folder.join(format!("{}.json", captured.name));
            let text = serde_json::to_string_pretty(&captured.document)? + "\n";
            // The rules may have missed something: only the owner can read the file.
            let write = |mut file: std::fs::File| file.write_all(text.as_bytes());
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            std::fs::create_dir_all(&folder)
                .and_then(|()| options.open(&path).and_then(write))
                .with_context(|| format!("cannot write {}", path.display()))?;
            output::print(&format!("{}\n", path.display()))?;
            for one in &captured.scrubbed {
                super::talk(&format!("replaced {} ({})", output::line(&one.place), one.rule));
            }
        }
        super::talk("review the files before sharing them: automatic scrubbing can miss data");
        Ok(Exit::Ok)
    })
}
