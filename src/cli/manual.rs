//! `sealpost completions` and `sealpost man`: written from the command line itself, so that neither
//! can say something else.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_complete::Shell;

use super::{Exit, help, output};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell that is to complete commands.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// A folder that gets a page for every command; by default the first page is printed.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Prints what the shell reads.
pub(super) fn completions(args: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "sealpost", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}

/// Writes the pages, or prints the first.
pub(super) fn man(args: &Man) -> anyhow::Result<Exit> {
    let mut command = help::command();
    command.build();
    match &args.to {
        None => output::print(&String::from_utf8(page(&command, "sealpost")?)?)?,
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            write(&command, "sealpost", folder)?;
        }
    }
    Ok(Exit::Ok)
}

/// Writes the page of a command and those of the commands below it.
fn write(command: &clap::Command, name: &str, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(command, name)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        write(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let title = name.to_uppercase();
    clap_mangen::Man::new(command.clone()).title(title).render(&mut page)?;
    Ok(page)
}
