//! `sealpost reference`: the generated parts of the documentation, from what they describe. Hidden,
//! because it is for the repository: `tests/it/references.rs` compares the files with its output.

mod api;
mod commands;
mod markdown;
mod providers;
mod settings;

use std::path::PathBuf;

use super::{Exit, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Part to print.
    part: Part,
    /// Folder for the pages of the part, if it has some.
    #[arg(long, value_name = "FOLDER")]
    pages: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Part {
    /// The commands, for docs/reference/cli.md.
    Cli,
    /// The admin API, for docs/reference/api.md.
    Api,
    /// The configuration, for docs/reference/config.md.
    Config,
    /// The index of providers, for docs/reference/providers.md; with --pages their pages, too.
    Providers,
    /// The JSON schema of the configuration, for docs/config.schema.json.
    Schema,
}

/// Prints a part.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    if let (Part::Providers, Some(folder)) = (args.part, &args.pages) {
        providers::write_pages(folder)?;
    }
    let text = match args.part {
        Part::Cli => commands::page(),
        Part::Api => api::page(&serde_json::from_str(&crate::app::document())?),
        Part::Config => settings::page(&settings::schema()),
        Part::Providers => providers::index(),
        Part::Schema => format!("{}\n", serde_json::to_string_pretty(&settings::schema())?),
    };
    output::print(&text)?;
    Ok(Exit::Ok)
}
