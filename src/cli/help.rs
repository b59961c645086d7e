//! The help: lists commands in groups, and removes the markup of doc comments.

use clap::builder::StyledStr;
use clap::{Command, CommandFactory as _};

use super::{Cli, local_only};

/// The commands, in display order.
pub(super) const GROUPS: [(&str, &[&str]); 6] = [
    ("Run", &["demo", "serve", "migrate", "check", "settings"]),
    ("Receive", &["overview", "events", "transfers", "sources", "explain", "rejected"]),
    (
        "Process",
        &[
            "groups",
            "dead-letters",
            "deliveries",
            "resend",
            "retry-now",
            "jobs",
            "handlers",
            "destinations",
            "pauses",
            "alerts",
        ],
    ),
    (
        "Access",
        &["users", "api-keys", "login", "logout", "contexts", "audit", "vault", "erase", "export"],
    ),
    ("Providers", &["providers", "docora", "apify"]),
    ("Develop", &["fixtures", "openapi", "completions", "man", "help"]),
];
/// Column at which descriptions begin.
const INDENT: usize = 16;

/// The command line with its help.
pub(super) fn command() -> Command {
    let command = local_only::with_note(plain(Cli::command()), "");
    let listed = listed(&command);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listed}Options:\n{{options}}"
    );
    command.help_template(template)
}

/// The commands by group, each with its description.
fn listed(command: &Command) -> String {
    let mut text = String::new();
    for (group, names) in GROUPS {
        text.push_str(group);
        text.push_str(":\n");
        for name in names {
            let found = command.find_subcommand(name).and_then(Command::get_about);
            // Clap adds `help` itself.
            let about = found.map_or_else(
                || "Print this help, or the help of a command".to_owned(),
                StyledStr::to_string,
            );
            text.push_str("  ");
            text.push_str(name);
            text.push_str(&" ".repeat(INDENT.saturating_sub(name.len())));
            text.push_str(&about);
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Removes the markup of doc comments from a command and its subcommands.
fn plain(command: Command) -> Command {
    let (about, long) = (command.get_about().map(clean), command.get_long_about().map(clean));
    let below: Vec<String> =
        command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let mut command = command.mut_args(|arg| {
        let (help, long) = (arg.get_help().map(clean), arg.get_long_help().map(clean));
        let arg = match help {
            Some(help) => arg.help(help),
            None => arg,
        };
        match long {
            Some(long) => arg.long_help(long),
            None => arg,
        }
    });
    if let Some(about) = about {
        command = command.about(about);
    }
    if let Some(long) = long {
        command = command.long_about(long);
    }
    below.into_iter().fold(command, |command, name| command.mut_subcommand(name, plain))
}

fn clean(text: &StyledStr) -> String {
    let mut text = text.to_string().replace('`', "");
    while let Some((before, rest)) = text.split_once("<http") {
        let (address, after) = rest.split_once('>').unwrap_or((rest, ""));
        text = format!("{before}http{address}{after}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut command = command();
        command.build();
        let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
        let mut commands: Vec<&str> = shown.map(Command::get_name).collect();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        commands.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, commands);
    }

    #[test]
    fn help_shows_no_markup() {
        fn walk(command: &Command, seen: &mut usize) {
            let help = command.clone().render_long_help().to_string();
            assert!(!help.contains('`') && !help.contains("<http"), "{help}");
            *seen += 1;
            command.get_subcommands().for_each(|below| walk(below, seen));
        }
        let mut command = command();
        command.build();
        let mut seen = 0;
        walk(&command, &mut seen);
        assert!(seen > 60, "{seen}");
    }
}
