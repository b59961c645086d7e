//! An archive: a folder with the events and a manifest. Only its owner can read it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::admin::ExportedEvent;
use crate::store::EventId;

/// The file with the events, one per line.
pub(super) const EVENTS: &str = "events.ndjson";
/// The file with the digests.
pub(super) const MANIFEST: &str = "manifest.json";

/// What an archive contains.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The version of the program that wrote it.
    pub(super) sealpost: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
    /// The selected events, in words.
    pub(super) selection: String,
    /// How many events.
    pub(super) events: u64,
    /// The SHA-256 of each file, by name.
    pub(super) files: BTreeMap<String, String>,
    /// The SHA-256 of each body, by event.
    pub(super) bodies: BTreeMap<String, String>,
}

/// An archive that is being written.
pub(super) struct Archive {
    folder: PathBuf,
    events: BufWriter<File>,
    digest: Sha256,
    bodies: BTreeMap<String, String>,
}

impl Archive {
    pub(super) fn create(folder: &Path) -> anyhow::Result<Self> {
        let created = DirBuilder::new().mode(0o700).create(folder);
        created.with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self {
            events: BufWriter::new(new_file(&folder.join(EVENTS))?),
            folder: folder.to_owned(),
            digest: Sha256::new(),
            bodies: BTreeMap::new(),
        })
    }

    pub(super) fn contains(&self, event: EventId) -> bool {
        self.bodies.contains_key(&event.to_string())
    }

    pub(super) fn events(&self) -> u64 {
        self.bodies.len() as u64
    }

    pub(super) fn add(&mut self, event: &ExportedEvent) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.digest.update(&line);
        self.events.write_all(&line)?;
        self.bodies.insert(event.event.id.to_string(), event.body.sha256.clone());
        Ok(())
    }

    /// Writes the manifest, and returns its SHA-256.
    pub(super) fn finish(
        mut self,
        selection: &str,
        now: OffsetDateTime,
    ) -> anyhow::Result<[u8; 32]> {
        self.events.flush()?;
        self.events.get_ref().sync_all()?;
        let digest = hex::encode(self.digest.finalize());
        let manifest = Manifest {
            sealpost: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: now,
            selection: selection.to_owned(),
            events: self.bodies.len() as u64,
            files: [(EVENTS.to_owned(), digest)].into(),
            bodies: self.bodies,
        };
        let text = serde_json::to_string_pretty(&manifest)? + "\n";
        let mut file = new_file(&self.folder.join(MANIFEST))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(Sha256::digest(text.as_bytes()).into())
    }
}

fn new_file(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}
