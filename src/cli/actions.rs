//! The catalogue of actions, as subcommands: `sealpost destinations pause`, `sealpost users reset`.

use std::fmt;
use std::marker::PhantomData;

use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::{Exit, explain, response_table, user_messages};
use crate::admin::actions::{Action, ActionResult, IdKind, Noun, Options, actions_on};

/// The item that a command acts on.
pub(super) trait On {
    /// Its kind.
    const NOUN: Noun;
}

macro_rules! on {
    ($($(#[$doc:meta])* $name:ident => $noun:ident),+ $(,)?) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl On for $name {
            const NOUN: Noun = Noun::$noun;
        }
    )+};
}

on! {
    /// Actions on an event.
    OnEvent => Event,
    /// Actions on a dead letter.
    OnDeadLetter => DeadLetter,
    /// Actions on a delivery.
    OnDelivery => Delivery,
    /// Actions on a source.
    OnSource => Source,
    /// Actions on a handler.
    OnHandler => Handler,
    /// Actions on a destination.
    OnDestination => Destination,
    /// Actions on a job.
    OnJob => Job,
    /// Actions on an API key.
    OnApiKey => ApiKey,
    /// Actions on a user.
    OnUser => User,
}

/// An action, as a subcommand.
pub(super) struct Perform<N> {
    action: &'static Action,
    args: ActionArgs,
    on: PhantomData<N>,
}

/// The arguments of every action.
#[derive(Debug)]
pub(super) struct ActionArgs {
    pub(super) id: String,
    pub(super) reason: Option<String>,
    pub(super) option: bool,
    pub(super) value: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) format: Format,
}

/// A result with the absolute address of the set-up link in it.
#[derive(Serialize)]
struct Linked<'a> {
    link: &'a str,
    #[serde(flatten)]
    result: &'a ActionResult,
}

impl<N: On> Perform<N> {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let actor = self.args.actor.as_deref();
        // Only the name of a handler is needed; without the secrets of a source it may be unknown.
        let needs = if N::NOUN == Noun::Handler {
            globals.sources_if_loaded()
        } else {
            self.action.traits.needs
        };
        backend::with(globals, needs, actor, async |backend| {
            perform(backend, self.action, &self.args, globals).await
        })
    }
}

/// Applies an action to one item, and prints the result.
pub(super) async fn perform(
    backend: &Backend,
    action: &Action,
    args: &ActionArgs,
    globals: &GlobalArgs,
) -> anyhow::Result<Exit> {
    let options = Options { option: args.option, value: args.value.as_deref() };
    let result = backend.act(action, &args.id, args.reason.as_deref(), options).await?;
    if let Some(invitation) = &result.invitation {
        let link = super::setup_link(&backend.console(globals)?, invitation);
        let linked = Linked { link: &link, result: &result };
        output::print_as(args.format, &format!("{}\n", *link), &linked)?;
        user_messages::report_link(invitation);
    } else {
        output::print_as(args.format, &text(&result), &result)?;
    }
    if let Some(ended) = &result.ended {
        user_messages::report_ended(ended);
    }
    let failed = result.response.as_ref().is_some_and(|response| response.error.is_some());
    Ok(if failed || result.explanation.is_some() { Exit::Failed } else { Exit::Ok })
}

fn text(result: &ActionResult) -> String {
    if let Some(secret) = &result.secret {
        return format!("{}\n", output::line(&secret.secret));
    }
    match (&result.response, &result.explanation) {
        (Some(response), _) => response_table::table(std::slice::from_ref(response)),
        (None, Some(explanation)) => explain::text(explanation),
        (None, None) => format!("{}\n", output::line(&result.message)),
    }
}

/// The actions that are commands of their own. The others have a command that also plans a job.
fn commands<N: On>() -> impl Iterator<Item = &'static Action> {
    actions_on(N::NOUN).filter(|action| !action.traits.bulk)
}

/// Checks an id given on the command line.
type Parser = fn(&str) -> Result<String, String>;

/// The subcommand of an action.
fn subcommand(action: &'static Action) -> Command {
    let (kind, about) = action.noun.id();
    let (value, parser): (_, Parser) = match kind {
        IdKind::Number => ("ID", number),
        IdKind::Uuid => ("ID", uuid),
        IdKind::Key => ("ID", given),
        IdKind::Name | IdKind::User => ("NAME", given),
    };
    let mut command = Command::new(action.verb)
        .about(action.title)
        .long_about(format!("{}.\n\n{}", action.title, action.effect))
        .arg(Arg::new("id").value_name(value).help(about).required(true).value_parser(parser));
    if action.traits.asks_reason {
        let reason = text_argument("reason", "TEXT", "Reason, recorded in the audit log");
        command = command.arg(reason.required(true));
    }
    if let Some(option) = action.traits.option {
        let effect = option.effect.trim_end_matches('.');
        let switch = Arg::new(option.name).long(option.name).help(effect);
        command = command.arg(switch.action(ArgAction::SetTrue));
    }
    if let Some(value) = action.traits.value {
        let about = value.meaning.trim_end_matches('.');
        let argument = text_argument(value.name, value.placeholder, about);
        command = command.arg(match value.default {
            Some(default) => argument.default_value(default),
            None => argument.required(true),
        });
    }
    let actor = "Name recorded in the audit log; defaults to the current user";
    command.arg(text_argument("actor", "NAME", actor)).arg(
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .help("Output format")
            .value_parser(clap::value_parser!(Format))
            .default_value("text"),
    )
}

fn text_argument(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    let argument = Arg::new(name).long(name).value_name(value).help(help);
    argument.value_parser(NonEmptyStringValueParser::new())
}

fn number(text: &str) -> Result<String, String> {
    text.parse::<i64>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn uuid(text: &str) -> Result<String, String> {
    text.parse::<Uuid>().map(|id| id.to_string()).map_err(|error| error.to_string())
}

fn given(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a value is required".to_owned()) } else { Ok(text.to_owned()) }
}

impl ActionArgs {
    fn of(action: &Action, matches: &ArgMatches) -> Self {
        // An argument that the action does not have is not defined, which is an error here.
        let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
        let switch = action.traits.option.map(|option| option.name);
        let format = matches.get_one::<Format>("format").copied();
        Self {
            id: text("id").unwrap_or_default(),
            reason: text("reason"),
            option: switch.is_some_and(|name| matches.get_flag(name)),
            value: action.traits.value.and_then(|value| text(value.name)),
            actor: text("actor"),
            format: format.unwrap_or(Format::Text),
        }
    }
}

impl<N> fmt::Debug for Perform<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(&self.action.key()).field("args", &self.args).finish()
    }
}

impl<N: On> FromArgMatches for Perform<N> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let found = matches.subcommand().and_then(|(verb, matches)| {
            let action = commands::<N>().find(|action| action.verb == verb)?;
            Some(Self { action, args: ActionArgs::of(action, matches), on: PhantomData })
        });
        found.ok_or_else(|| clap::Error::raw(ErrorKind::MissingSubcommand, "a command is required"))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<N: On> Subcommand for Perform<N> {
    fn augment_subcommands(command: Command) -> Command {
        commands::<N>().fold(command, |command, action| command.subcommand(subcommand(action)))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        commands::<N>().any(|action| action.verb == name)
    }
}
