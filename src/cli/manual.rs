//! `sealpost completions` and `sealpost man`: generated from the definition of the command line.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap_complete::Shell;

use super::{Exit, help, output};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Shell to generate completions for.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Directory for the pages, one per command; by default the main page is printed.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints the completion script.
pub(super) fn completions(args: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "sealpost", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}

/// Writes the pages, or prints the main page.
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

/// Writes the pages of a command and its subcommands.
fn write(command: &clap::Command, name: &str, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(command, name)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    for below in shown(command) {
        write(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(())
}

/// The subcommands that have a page.
fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set())
}

fn page(command: &clap::Command, name: &str) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let title = name.to_uppercase();
    clap_mangen::Man::new(command.clone()).title(title).render(&mut page)?;
    Ok(page)
}
