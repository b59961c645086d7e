//! The catalogue of actions: every change with the shape (item, reason). The API, the console and
//! the command line mount what is listed in [`ACTIONS`]. The console chooses by verb which to
//! offer.
//!
//! An action is a function in `run.rs` and a row in `catalogue.rs`; those on events have a file of
//! their own.

mod catalogue;
mod event;
mod noun;
mod result;
mod run;

use futures_util::future::BoxFuture;

pub use catalogue::ACTIONS;
pub use noun::{IdKind, Noun};
pub use result::ActionResult;

use super::{Admin, AdminError, Caller, Need, Reason, Repeat, Scope};

/// An action on one item.
///
/// `noun` and `verb` are its path. Texts are for users.
pub struct Action {
    pub noun: Noun,
    /// Used in paths and on the command line.
    pub verb: &'static str,
    pub operation: &'static str,
    pub title: &'static str,
    pub label: &'static str,
    /// What it changes, in one or two sentences.
    pub effect: &'static str,
    /// The flash message of the console afterwards.
    pub done: &'static str,
    pub scope: Scope,
    /// What a repeated request does.
    pub repeat: Repeat,
    /// What it asks for, and how it is offered.
    pub traits: Traits,
    run: for<'a> fn(Request<'a>) -> BoxFuture<'a, Result<ActionResult, AdminError>>,
}

/// The parameters of an action, and how it is offered.
#[derive(Debug, Clone, Copy)]
pub struct Traits {
    pub asks_reason: bool,
    pub option: Option<ActionOption>,
    pub value: Option<ActionValue>,
    /// Whether it destroys or stops something.
    pub danger: bool,
    /// Whether a job can apply it to many items: the command line has one command for both.
    pub bulk: bool,
    /// What a command needs of the configuration.
    pub needs: Need,
}

#[derive(Debug, Clone, Copy)]
pub struct ActionOption {
    /// Its name, in bodies and on the command line.
    pub name: &'static str,
    pub effect: &'static str,
}

/// A text that an action takes.
#[derive(Debug, Clone, Copy)]
pub struct ActionValue {
    /// Its name, in bodies and on the command line.
    pub name: &'static str,
    /// What it is called in usage texts, such as `DURATION`.
    pub placeholder: &'static str,
    pub meaning: &'static str,
    /// A regular expression of usual values, for the document of the API.
    pub pattern: &'static str,
    /// The value if none is given; `None` if one is required.
    pub default: Option<&'static str>,
}

impl ActionValue {
    /// How long a handshake is accepted.
    const PERIOD: Self = Self {
        name: "for",
        placeholder: "DURATION",
        meaning: "How long it is accepted, at most 24h.",
        pattern: "^[1-9][0-9]?(s|m|h)$",
        default: Some("1h"),
    };
    /// A secret of a source.
    const SECRET: Self = Self {
        name: "secret",
        placeholder: "FINGERPRINT",
        meaning: "The fingerprint of the secret.",
        pattern: "^[0-9a-f]{12}$",
        default: None,
    };
}

/// The parameters of a request for an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// Whether the action's option is on.
    pub option: bool,
    /// The action's value, if one was given.
    pub value: Option<&'a str>,
}

#[derive(Clone, Copy)]
struct Request<'a> {
    admin: &'a Admin,
    caller: &'a Caller,
    action: &'a Action,
    id: &'a str,
    reason: Option<&'a Reason>,
    option: bool,
    value: Option<&'a str>,
}

impl Traits {
    /// Asks for a reason only, and does no harm.
    pub const PLAIN: Self = Self {
        asks_reason: true,
        option: None,
        value: None,
        danger: false,
        bulk: false,
        needs: Need::Names,
    };
}

impl Action {
    /// Applies the action to one item. Its service checks the caller and writes the audit entry.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] without a reason where the action requires one.
    pub async fn run(
        &self,
        admin: &Admin,
        caller: &Caller,
        id: &str,
        reason: Option<&Reason>,
        options: Options<'_>,
    ) -> Result<ActionResult, AdminError> {
        caller_may(self, caller)?;
        let option = options.option && self.traits.option.is_some();
        let value = self.traits.value.and_then(|value| options.value.or(value.default));
        (self.run)(Request { admin, caller, action: self, id, reason, option, value }).await
    }

    /// Its key for flash messages, such as `jobs-start`.
    pub fn key(&self) -> String {
        format!("{}-{}", self.noun.path(), self.verb)
    }
}

/// Checks the scope before the item is looked up. For a job it depends on the job.
fn caller_may(action: &Action, caller: &Caller) -> Result<(), AdminError> {
    if action.noun != Noun::Job {
        caller.needs(action.scope)?;
    }
    Ok(())
}

/// The actions on a kind of item, in the order of the catalogue.
pub fn actions_on(noun: Noun) -> impl Iterator<Item = &'static Action> {
    ACTIONS.iter().filter(move |action| action.noun == noun)
}

/// The action with this verb on a kind of item.
pub fn find_action(noun: Noun, verb: &str) -> Option<&'static Action> {
    actions_on(noun).find(|action| action.verb == verb)
}

impl<'a> Request<'a> {
    fn reason(&self) -> Result<&'a Reason, AdminError> {
        let missing = "a reason is required (recorded in the audit log)";
        self.reason.ok_or_else(|| AdminError::Invalid(missing.to_owned()))
    }

    fn value(&self) -> Result<&'a str, AdminError> {
        let name = self.action.traits.value.map_or("value", |value| value.name);
        self.value.ok_or_else(|| AdminError::Invalid(format!("{name}: a value is required")))
    }

    /// The id as a number or a UUID. Any other text is not found.
    fn id<T: std::str::FromStr>(&self) -> Result<T, AdminError> {
        let not_found = |_| AdminError::NotFound(format!("{} `{}`", self.action.noun, self.id));
        self.id.parse().map_err(not_found)
    }

    fn done(&self, message: String) -> ActionResult {
        ActionResult {
            noun: self.action.noun.path().to_owned(),
            id: self.id.to_owned(),
            action: self.action.verb.to_owned(),
            changed: true,
            count: None,
            created: Vec::new(),
            event: None,
            explanation: None,
            response: None,
            invitation: None,
            secret: None,
            ended: None,
            message,
        }
    }

    /// The result of an action that leaves the item in one of two states.
    fn switched(&self, changed: bool) -> ActionResult {
        let (id, verb) = (self.id, self.action.verb);
        let message =
            if changed { format!("{verb}d {id}") } else { format!("{id} is already {verb}d") };
        ActionResult { changed, ..self.done(message) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_has_a_unique_path_and_operation() {
        let keys: BTreeSet<String> = ACTIONS.iter().map(Action::key).collect();
        let operations: BTreeSet<&str> = ACTIONS.iter().map(|one| one.operation).collect();
        assert_eq!((keys.len(), operations.len()), (ACTIONS.len(), ACTIONS.len()));
        for action in ACTIONS {
            assert!(find_action(action.noun, action.verb).is_some(), "{}", action.key());
            assert!(action.effect.ends_with('.') && action.done.ends_with('.'), "{}", action.key());
        }
    }
}
