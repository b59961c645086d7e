//! The commands that work on this machine only: on its database or its files, and not over the API
//! of a gateway.

use clap::{ArgMatches, Command};

/// What the help of these commands says.
pub(super) const NOTE: &str = "Works on this machine only, not with --url or --context.";

/// The commands, with their subcommands.
const COMMANDS: [LocalOnly; 19] = [
    local("alerts test").changing(),
    local("apify").changing(),
    local("check"),
    local("completions"),
    local("demo"),
    local("docora").changing(),
    local("erase").changing(),
    local("export").changing(),
    local("fixtures run"),
    local("fixtures send"),
    local("man"),
    local("migrate").changing(),
    local("openapi"),
    local("reference"),
    local("serve"),
    local("sources fingerprint"),
    local("sources test").changing(),
    local("vault key"),
    local("vault rotate").changing(),
];

/// A command that works on this machine only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LocalOnly {
    /// Its words, without the name of the program.
    pub(super) command: &'static str,
    /// Whether it changes or sends something, so that a gateway in the environment is a mistake
    /// too.
    pub(super) changes: bool,
}

const fn local(command: &'static str) -> LocalOnly {
    LocalOnly { command, changes: false }
}

impl LocalOnly {
    const fn changing(self) -> Self {
        Self { changes: true, ..self }
    }

    /// Whether this is the command or one of its subcommands.
    fn includes(self, words: &str) -> bool {
        let rest = words.strip_prefix(self.command);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

/// The local command with these words; `None` for a command that works over the API too.
pub(super) fn find(words: &str) -> Option<LocalOnly> {
    COMMANDS.into_iter().find(|local| local.includes(words))
}

/// The local command that is called.
pub(super) fn called(matches: &ArgMatches) -> Option<LocalOnly> {
    let (mut words, mut below) = (Vec::new(), matches.subcommand());
    while let Some((name, matches)) = below {
        words.push(name);
        below = matches.subcommand();
    }
    find(&words.join(" "))
}

/// Adds the note to the help of these commands. `words` are those of `command`.
pub(super) fn with_note(command: Command, words: &str) -> Command {
    let below: Vec<String> =
        command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = if find(words).is_some() { command.after_help(NOTE) } else { command };
    below.into_iter().fold(command, |command, name| {
        let words = format!("{words} {name}");
        command.mut_subcommand(name, |below| with_note(below, words.trim_start()))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_local_command_exists() {
        for local in COMMANDS {
            let mut command = crate::cli::Cli::command();
            for word in local.command.split(' ') {
                let below = command.find_subcommand(word).cloned();
                command = below.unwrap_or_else(|| panic!("no command `{}`", local.command));
            }
        }
    }

    #[test]
    fn subcommands_are_included_and_similar_commands_are_not() {
        assert_eq!(find("docora list"), Some(local("docora").changing()));
        assert!(find("sources test").is_some() && find("vault key").is_some());
        for other in ["sources", "sources list", "destinations test", "vault", "manual", ""] {
            assert_eq!(find(other), None, "{other}");
        }
    }
}
