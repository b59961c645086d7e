//! `sealpost users`: manage console users.

use serde::Serialize;

use super::Exit;
use super::actions::{OnUser, Perform};
use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::user_messages::report_link;
use crate::admin::{Invitation, Need, NewUser, Scope, User, UserSession};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a user and print a link to choose a password, valid for 24 hours.
    Add(Add),
    /// List users; `--format json` prints one JSON object per line.
    List(List),
    #[command(flatten)]
    Act(Perform<OnUser>),
    /// List the sessions of a user; `--format json` prints one JSON object per line.
    Sessions(Sessions),
    /// End one session of a user.
    EndSession(EndSession),
}

#[derive(Debug, clap::Args)]
pub(super) struct Sessions {
    /// User name.
    name: String,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct EndSession {
    /// User name.
    name: String,
    /// Session ID; see `users sessions`.
    #[arg(long, value_name = "ID")]
    session: i64,
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// User name, for sign-in and the audit log.
    name: String,
    /// Scopes to grant: events:read, payload:read, events:replay, events:edit, events:erase,
    /// sources:write, secrets:write, admin.
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// Restrict the user to this tenant; defaults to all tenants.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(globals: &GlobalArgs, command: &Command) -> anyhow::Result<Exit> {
    let actor = match command {
        Command::Act(action) => return action.run(globals),
        Command::Add(add) => add.actor.as_deref(),
        Command::EndSession(end) => end.actor.as_deref(),
        Command::List(_) | Command::Sessions(_) => None,
    };
    backend::with(globals, Need::Nothing, actor, async |backend| {
        command.run(backend, globals).await
    })
}

impl Command {
    async fn run(&self, backend: &Backend, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        match self {
            // Run by itself.
            Self::Act(_) => Ok(Exit::Ok),
            Self::Add(add) => {
                let new = NewUser {
                    name: add.name.clone(),
                    scopes: add.scopes.iter().copied().collect(),
                    tenant: add.tenant.clone(),
                };
                let invitation = backend.add_user(&new).await?;
                show(&backend.console(globals)?, add.format, &invitation)?;
                Ok(Exit::Ok)
            }
            Self::List(list) => Ok(output::list(list.format, &backend.users().await?, table)?),
            Self::Sessions(list) => {
                let sessions = backend.sessions(&list.name).await?;
                Ok(output::list(list.format, &sessions, of_sessions)?)
            }
            Self::EndSession(end) => {
                let (name, session) = (&end.name, end.session);
                let left = backend.end_session(name, session, &end.reason).await?;
                let text = format!("ended session {session} of {}\n", output::line(name));
                output::print_as(end.format, &text, &left)?;
                Ok(Exit::Ok)
            }
        }
    }
}

fn of_sessions(sessions: &[UserSession]) -> String {
    let head = ["ID", "SIGNED IN", "LAST SEEN", "ENDS", "ADDRESS", "BROWSER"];
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|session| {
            vec![
                session.id.to_string(),
                output::time(session.signed_in_at),
                output::time(session.last_seen_at),
                output::time(session.expires_at),
                session.address.clone(),
                session.agent.clone(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

/// An invitation with the absolute address of its link.
#[derive(Serialize)]
struct Linked<'a> {
    link: &'a str,
    #[serde(flatten)]
    invitation: &'a Invitation,
}

/// Prints the link, and a message with its expiry.
fn show(base: &str, format: Format, invitation: &Invitation) -> anyhow::Result<()> {
    let link = super::setup_link(base, invitation);
    let linked = Linked { link: &link, invitation };
    output::print_as(format, &format!("{}\n", *link), &linked)?;
    report_link(invitation);
    Ok(())
}

fn table(users: &[User]) -> String {
    let head = ["NAME", "STATE", "TENANT", "CODES", "SIGNED IN", "ADDED BY", "SCOPES"];
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            let scopes: Vec<&str> = user.scopes.iter().map(Scope::as_str).collect();
            vec![
                user.name.clone(),
                user.state.to_string(),
                user.tenant.clone().unwrap_or_else(|| "all".to_owned()),
                if user.codes_since.is_some() { "yes" } else { "no" }.to_owned(),
                user.signed_in_at.map_or_else(|| "never".to_owned(), output::time),
                user.created_by.clone(),
                scopes.join(" "),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
