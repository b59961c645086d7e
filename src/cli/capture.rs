//! `sealpost fixtures capture`: write stored events as fixtures.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use uuid::Uuid;

use super::globals::GlobalArgs;
use super::{Exit, backend, output};
use crate::admin::Need;
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

pub(super) fn run(globals: &GlobalArgs, args: &Args) -> anyhow::Result<Exit> {
    backend::with(globals, Need::Sources, None, async |backend| {
        for id in &args.events {
            let captured = backend.fixture(EventId(*id), &args.keep).await?;
            // They can come from a gateway, and must not lead elsewhere.
            for part in [&captured.provider, &captured.name] {
                anyhow::ensure!(is_file_name(part), "invalid file name `{part}`");
            }
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
            output::print(&format!("{}\n", output::line(&path.display().to_string())))?;
            for one in &captured.scrubbed {
                super::print_message(&format!(
                    "replaced {} ({})",
                    output::line(&one.place),
                    one.rule
                ));
            }
        }
        super::print_message(
            "review the files before sharing them: automatic scrubbing can miss data",
        );
        Ok(Exit::Ok)
    })
}

/// Whether this is the name of a file in its folder.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0']) && ![".", ".."].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_is_written_in_its_folder_only() {
        assert!(is_file_name("stripe") && is_file_name("invoice.paid-1"));
        for wrong in ["", ".", "..", "../x", "/etc/x", "a/b", "a\0"] {
            assert!(!is_file_name(wrong), "{wrong:?}");
        }
    }
}
