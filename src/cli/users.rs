//! `sealpost users`: manage console users.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::output::{self, Format};
use super::{Exit, actor, database};
use crate::admin::{Access, Caller, Ended, Invitation, NewUser, OwnSession, Scope, User};
use crate::clock::SystemClock;
use crate::config::{Config, Environment};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a user and print a link to choose a password, valid for 24 hours.
    Add(Add),
    /// List users; `--format json` prints one JSON object per line.
    List(List),
    /// Reset the password of a user and print a link to choose a new one.
    ///
    /// Also ends the user's sessions and revokes the API keys that they created.
    Reset(Reset),
    /// Disable a user, end their sessions, and revoke the API keys that they created.
    Disable(Act),
    /// Enable a disabled user.
    Enable(Act),
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
    #[command(flatten)]
    act: Act,
    /// Session ID; see `users sessions`.
    #[arg(long, value_name = "ID")]
    session: i64,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// User name, for sign-in and the audit log.
    name: String,
    /// Scopes to grant: events:read, payload:read, events:replay, events:edit, sources:write,
    /// secrets:write, admin.
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

#[derive(Debug, clap::Args)]
pub(super) struct Reset {
    #[command(flatten)]
    act: Act,
    /// Also reset two-factor codes, for a lost authenticator app.
    #[arg(long)]
    codes: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// User name.
    name: String,
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

pub(super) fn run(path: &Path, command: &Command) -> anyhow::Result<Exit> {
    let caller = Caller::local(match command {
        Command::Add(add) => actor(add.actor.as_deref())?,
        Command::Reset(Reset { act, .. })
        | Command::EndSession(EndSession { act, .. })
        | Command::Disable(act)
        | Command::Enable(act) => actor(act.actor.as_deref())?,
        Command::List(_) | Command::Sessions(_) => String::new(),
    });
    let config = Config::load_without_sources(path, &Environment::of_process())?;
    database::with_store(&config, async |store| {
        let access = Access::new(store.clone(), Arc::new(SystemClock), config.vault.clone());
        command.run(&config, &access, &caller).await
    })
}

impl Command {
    async fn run(&self, config: &Config, access: &Access, caller: &Caller) -> anyhow::Result<Exit> {
        match self {
            Self::Add(add) => {
                let new = NewUser {
                    name: add.name.clone(),
                    scopes: add.scopes.iter().copied().collect(),
                    tenant: add.tenant.clone(),
                };
                show(config, add.format, &access.add_user(caller, &new).await?)?;
            }
            Self::Reset(Reset { act, codes }) => {
                let reset = access.reset_user(caller, &act.name, *codes, &act.reason).await?;
                show(config, act.format, &reset)?;
                report(&reset.ended);
            }
            Self::Disable(act) => act.switch(access, caller, false).await?,
            Self::Enable(act) => act.switch(access, caller, true).await?,
            Self::List(list) => {
                let users = access.users(caller).await?;
                if users.is_empty() {
                    return Ok(Exit::NothingMatched);
                }
                let text = match list.format {
                    Format::Text => table(&users),
                    Format::Json => {
                        users.iter().map(|user| output::json(&describe(user))).collect()
                    }
                };
                output::print(&text)?;
            }
            Self::Sessions(list) => {
                let sessions = access.sessions_of(caller, &list.name).await?;
                if sessions.is_empty() {
                    return Ok(Exit::NothingMatched);
                }
                output::print(&match list.format {
                    Format::Text => of_sessions(&sessions),
                    Format::Json => {
                        sessions.iter().map(|one| output::json(&session(one))).collect()
                    }
                })?;
            }
            Self::EndSession(EndSession { act, session }) => {
                access.end_session_of(caller, &act.name, *session, &act.reason).await?;
                let text = format!("ended session {session} of {}\n", output::line(&act.name));
                let document = json!({ "person": act.name, "session": session, "state": "ended" });
                output::print_as(act.format, &text, &document)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn session(session: &OwnSession) -> Value {
    json!({
        "id": session.id,
        "address": session.peer,
        "agent": session.agent,
        "signed_in_at": output::rfc3339(session.since),
        "last_seen_at": output::rfc3339(session.last_seen_at),
        "expires_at": output::rfc3339(session.until),
    })
}

fn of_sessions(sessions: &[OwnSession]) -> String {
    let head = ["ID", "SIGNED IN", "LAST SEEN", "ENDS", "ADDRESS", "BROWSER"];
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|session| {
            vec![
                session.id.to_string(),
                output::time(session.since),
                output::time(session.last_seen_at),
                output::time(session.until),
                session.peer.clone(),
                session.agent.clone(),
            ]
        })
        .collect();
    output::table(&head, &rows)
}

/// Prints what was ended.
fn report(ended: &Ended) {
    let keys: Vec<String> =
        ended.keys.iter().map(|(name, id)| format!("{} ({id})", output::line(name))).collect();
    let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
    super::talk(&format!("sessions ended: {}; API keys revoked: {keys}", ended.sessions));
}

fn ended(ended: &Ended) -> Value {
    let keys: Vec<&String> = ended.keys.iter().map(|(_, id)| id).collect();
    json!({ "sessions": ended.sessions, "keys": keys })
}

impl Act {
    async fn switch(&self, access: &Access, caller: &Caller, able: bool) -> anyhow::Result<()> {
        if able {
            let user = access.enable_user(caller, &self.name, &self.reason).await?;
            let text = format!("enabled {}\n", output::line(&user.name));
            return Ok(output::print_as(self.format, &text, &describe(&user))?);
        }
        let (user, left) = access.disable_user(caller, &self.name, &self.reason).await?;
        let mut document = describe(&user);
        if let Some(object) = document.as_object_mut() {
            object.insert("ended".to_owned(), ended(&left));
        }
        let text = format!("disabled {}\n", output::line(&user.name));
        output::print_as(self.format, &text, &document)?;
        report(&left);
        Ok(())
    }
}

/// Prints the link, and a message with its expiry.
fn show(config: &Config, format: Format, invitation: &Invitation) -> anyhow::Result<()> {
    let base = config.operator_base(config.file.operator.listen);
    let link = super::setup_link(&base, invitation);
    let expires_at = output::rfc3339(invitation.expires_at);
    let ended = ended(&invitation.ended);
    let document = json!({ "link": *link, "expires_at": expires_at, "ended": ended });
    output::print_as(format, &format!("{}\n", *link), &document)?;
    let until = output::time(invitation.expires_at);
    super::talk(&format!("the link is shown only once; it is valid for one use until {until}"));
    Ok(())
}

fn describe(user: &User) -> Value {
    let time = |at: Option<OffsetDateTime>| at.map_or(Value::Null, output::rfc3339);
    json!({
        "name": user.name,
        "state": user.state(),
        "scopes": user.scopes.iter().map(Scope::as_str).collect::<Vec<_>>(),
        "tenant": user.tenant,
        "codes_since": time(user.codes_since),
        "issuer": user.issuer,
        "created_at": output::rfc3339(user.created_at),
        "created_by": user.created_by,
        "signed_in_at": time(user.signed_in_at),
        "disabled_at": time(user.disabled_at),
    })
}

fn table(users: &[User]) -> String {
    let head = ["NAME", "STATE", "TENANT", "CODES", "SIGNED IN", "ADDED BY", "SCOPES"];
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            let scopes: Vec<&str> = user.scopes.iter().map(Scope::as_str).collect();
            vec![
                user.name.clone(),
                user.state().to_owned(),
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
