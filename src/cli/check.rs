//! `sealpost check`: say what the configuration comes to, without starting anything.

use super::Exit;
use crate::app;
use crate::config::Config;

#[expect(clippy::print_stdout, reason = "the command's data")]
pub(super) fn run(config: &Config) -> anyhow::Result<Exit> {
    let sources = app::check_sources(config)?;
    for (source, warnings) in config.sources.iter().zip(sources) {
        let entry = &source.entry;
        let secrets: Vec<String> =
            source.secrets.iter().map(|secret| secret.fingerprint().to_string()).collect();
        println!(
            "{}\t{}\t{}\tsecrets {}",
            entry.name,
            entry.provider,
            if entry.enabled { "enabled" } else { "disabled" },
            secrets.join(" "),
        );
        for warning in warnings {
            println!("{}\twarning\t{warning}", entry.name);
        }
    }
    for warning in &config.warnings {
        println!("secrets\twarning\t{warning}");
    }
    for destination in &config.destinations {
        let entry = &destination.entry;
        println!(
            "{}\tto {}\tfrom {}\tsecret {}",
            entry.name,
            entry.url,
            entry.sources.join(" "),
            destination.secret.fingerprint(),
        );
    }
    Ok(Exit::Ok)
}
