//! The commands, from the definition of the command line.

use std::ffi::OsStr;

use clap::builder::PossibleValue;
use clap::{Arg, Command, CommandFactory as _};

use super::markdown::{Page, codes, sentences, table};
use crate::cli::Cli;
use crate::cli::help::GROUPS;
use crate::cli::local_only;

const ABOUT: &str = "Every command with its arguments. [Command line](../cli.md) has examples, exit \
                     codes and conventions. Every command also has `--help`.";

/// The page.
pub(super) fn page() -> String {
    // With the markup of doc comments, which the help removes.
    let mut command = Cli::command();
    command.build();
    let mut page = Page::new("Command line reference", "cli", ABOUT);
    page.add("\n## Options of every command\n");
    page.add(&arguments(command.get_arguments()));
    for (group, names) in GROUPS {
        page.add(&format!("\n## {group}\n"));
        let found = names.iter().filter_map(|name| command.find_subcommand(name));
        for command in found.filter(|command| command.get_name() != "help") {
            describe(command, &format!("sealpost {}", command.get_name()), &mut page);
        }
    }
    page.into_text()
}

/// Describes a command and its subcommands.
fn describe(command: &Command, name: &str, page: &mut Page) {
    page.add(&format!("\n### `{name}`\n"));
    let about = command.get_long_about().or_else(|| command.get_about());
    if let Some(about) = about {
        page.add(&format!("\n{}\n", sentences(&[about.to_string()])));
    }
    let words = name.strip_prefix("sealpost ").unwrap_or_default();
    if local_only::find(words).is_some_and(|local| local.command == words) {
        page.add(&format!("\n{}\n", local_only::NOTE));
    }
    let below: Vec<&Command> = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set() && below.get_name() != "help")
        .collect();
    if below.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim().trim_start_matches("Usage:").trim();
        page.add(&format!("\n```text\n{usage}\n```\n"));
    }
    page.add(&arguments(command.get_arguments().filter(|arg| !arg.is_global_set())));
    for below in below {
        describe(below, &format!("{name} {}", below.get_name()), page);
    }
}

/// A table of arguments.
fn arguments<'a>(all: impl Iterator<Item = &'a Arg>) -> String {
    let own = all
        .filter(|arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str()));
    let rows: Vec<Vec<String>> = own.map(|arg| vec![spelled(arg), meaning(arg)]).collect();
    table(&["Argument", "Meaning"], &rows)
}

/// How it is written.
fn spelled(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    format!("{short}`{arg}`")
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut parts = vec![help.map(ToString::to_string).unwrap_or_default()];
    if arg.get_action().takes_values() {
        let values = arg.get_possible_values();
        if !values.is_empty() {
            parts.push(format!("Values: {}", codes(values.iter().map(PossibleValue::get_name))));
        }
        let defaults: Vec<&str> =
            arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        if !defaults.is_empty() {
            parts.push(format!("Default: {}", codes(defaults)));
        }
    }
    if let Some(variable) = arg.get_env().and_then(OsStr::to_str) {
        parts.push(format!("Variable: `{variable}`"));
    }
    if arg.is_required_set() && !arg.is_positional() {
        parts.push("Required".to_owned());
    }
    sentences(&parts)
}
