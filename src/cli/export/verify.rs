//! Verifies an archive.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest, Sha256};

use super::archive::{EVENTS, MANIFEST, Manifest};
use crate::admin::ExportedEvent;
use crate::cli::{Exit, output, print_message};

/// How much of a file is read at once.
const PIECE: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the archive.
    #[arg(value_name = "DIR")]
    archive: PathBuf,
}

impl Args {
    pub(super) fn run(&self) -> anyhow::Result<Exit> {
        let path = self.archive.join(MANIFEST);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a manifest", path.display()))?;
        let wrong = problems(&self.archive, &manifest)?;
        for problem in &wrong {
            print_message(&output::line(problem));
        }
        print_message(&format!("SHA-256 of the manifest: {}", hex::encode(Sha256::digest(&text))));
        if !wrong.is_empty() {
            output::print("changed\n")?;
            return Ok(Exit::Failed);
        }
        output::print(&format!("unchanged: {} events\n", manifest.events))?;
        Ok(Exit::Ok)
    }
}

/// What differs from the manifest.
fn problems(archive: &Path, manifest: &Manifest) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let path = archive.join(EVENTS);
    let open = || File::open(&path).with_context(|| format!("cannot read {}", path.display()));
    if manifest.files.get(EVENTS) != Some(&digest_of(open()?)?) {
        wrong.push(format!("{EVENTS} has another digest than in the manifest"));
    }
    let mut bodies = BTreeMap::new();
    for (place, line) in BufReader::new(open()?).split(b'\n').enumerate() {
        let Ok(event) = serde_json::from_slice::<ExportedEvent>(&line?) else {
            wrong.push(format!("{EVENTS}, line {}: not an event", place + 1));
            continue;
        };
        let id = event.event.id.to_string();
        if !event.body.is_consistent() {
            wrong.push(format!("event {id}: the body does not match its digest"));
        }
        bodies.insert(id, event.body.sha256);
    }
    if bodies != manifest.bodies || bodies.len() as u64 != manifest.events {
        wrong.push("the events or their bodies differ from those in the manifest".to_owned());
    }
    Ok(wrong)
}

fn digest_of(mut file: File) -> anyhow::Result<String> {
    let (mut digest, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        digest.update(piece.get(..count).unwrap_or_default());
    }
}
