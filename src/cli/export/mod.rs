//! `sealpost export`: events as an archive, and `sealpost export verify`.

mod archive;
mod verify;

use std::path::PathBuf;

use self::archive::Archive;
use super::globals::GlobalArgs;
use super::subject_selection::{ScanLine, SelectionArgs};
use super::{Exit, UsageError, backend, output, print_message};
use crate::admin::Need;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    export: Export,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Verify an archive: every file and every body has the digest in its manifest.
    ///
    /// Prints the SHA-256 of the manifest itself: it is also in the audit log of the gateway that
    /// exported it. Exits with 1 if the archive was changed.
    Verify(verify::Args),
}

#[derive(Debug, clap::Args)]
struct Export {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Output directory; it must not exist.
    #[arg(long, value_name = "DIR", required = true)]
    to: Option<PathBuf>,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

impl Args {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        match &self.command {
            Some(Command::Verify(args)) => args.run(),
            None => self.export.run(globals),
        }
    }
}

impl Export {
    fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let selected = self.selection.selection().zip(self.to.as_deref());
        // The parser requires both without a subcommand.
        let (selection, to) = selected.ok_or(UsageError("nothing is selected"))?;
        backend::with_database(
            globals,
            Need::Names,
            self.actor.as_deref(),
            async |admin, caller| {
                let data = &admin.personal_data;
                data.record_export(caller, &selection).await?;
                let mut archive = Archive::create(to)?;
                let (mut line, mut after, mut read) = (ScanLine::new(), None, 0);
                loop {
                    let found = data.find(caller, &selection, after).await?;
                    for id in found.events {
                        // A copy may be found with its original, and by itself.
                        if !archive.contains(id)
                            && let Some(event) = data.exported(caller, id).await?
                        {
                            archive.add(&event)?;
                        }
                    }
                    read += found.read;
                    after = found.next;
                    line.show((read, archive.events()), after);
                    if after.is_none() {
                        break;
                    }
                }
                line.end();
                let events = archive.events();
                let digest = archive.finish(&selection.to_string(), admin.clock.now())?;
                data.record_archive(caller, &selection, (events, digest)).await?;
                output::print(&format!("exported {events} events\n"))?;
                print_message(&format!("SHA-256 of the manifest: {}", hex::encode(digest)));
                Ok(if events > 0 { Exit::Ok } else { Exit::NothingMatched })
            },
        )
    }
}
