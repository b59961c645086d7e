//! `sealpost people`: who signs in at the operator listener.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::output::{self, Format};
use super::{Exit, actor, database};
use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::operator::{Access, Caller, Invitation, NewPerson, Person, Scope};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a person and print a link, good for 24 hours, by which they choose a password.
    Add(Add),
    /// List the people; with `--format json` one JSON object a line.
    List(List),
    /// End what a person signs in with, and their sessions; print a link to choose a password.
    Reset(Reset),
    /// Let a person sign in no more, and end their sessions.
    Disable(Act),
    /// Let a person who was disabled sign in again.
    Enable(Act),
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// Their name: what they sign in with, and what the audit log calls them.
    name: String,
    /// What they may do: events:read, payload:read, events:replay, sources:write, secrets:write,
    /// admin.
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// The only tenant whose things they see; by default all.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Reset {
    #[command(flatten)]
    act: Act,
    /// End their codes too: they have lost what makes them.
    #[arg(long)]
    codes: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// The person.
    name: String,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(path: &Path, command: &Command) -> anyhow::Result<Exit> {
    let caller = Caller::local(match command {
        Command::Add(add) => actor(add.actor.as_deref())?,
        Command::Reset(Reset { act, .. }) | Command::Disable(act) | Command::Enable(act) => {
            actor(act.actor.as_deref())?
        }
        Command::List(_) => String::new(),
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
                let new = NewPerson {
                    name: add.name.clone(),
                    scopes: add.scopes.iter().copied().collect(),
                    tenant: add.tenant.clone(),
                };
                show(config, add.format, &access.add_person(caller, &new).await?)?;
            }
            Self::Reset(Reset { act, codes }) => {
                let reset = access.reset_person(caller, &act.name, *codes, &act.reason).await?;
                show(config, act.format, &reset)?;
            }
            Self::Disable(act) => act.switch(access, caller, false).await?,
            Self::Enable(act) => act.switch(access, caller, true).await?,
            Self::List(list) => {
                let people = access.people(caller).await?;
                if people.is_empty() {
                    return Ok(Exit::NothingMatched);
                }
                let text = match list.format {
                    Format::Text => table(&people),
                    Format::Json => {
                        people.iter().map(|person| output::json(&describe(person))).collect()
                    }
                };
                output::print(&text)?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl Act {
    async fn switch(&self, access: &Access, caller: &Caller, able: bool) -> anyhow::Result<()> {
        let (person, did) = if able {
            (access.enable_person(caller, &self.name, &self.reason).await?, "enabled")
        } else {
            (access.disable_person(caller, &self.name, &self.reason).await?, "disabled")
        };
        let text = format!("{did} {}\n", output::line(&person.name));
        output::print_as(self.format, &text, &describe(&person))?;
        Ok(())
    }
}

/// The link, as data; and how long it is good, as talk.
fn show(config: &Config, format: Format, invitation: &Invitation) -> anyhow::Result<()> {
    let link = super::setup_link(&config.file.operator.listen, invitation);
    let expires_at = output::rfc3339(invitation.expires_at);
    let document = json!({ "link": *link, "expires_at": expires_at });
    output::print_as(format, &format!("{}\n", *link), &document)?;
    let until = output::time(invitation.expires_at);
    super::talk(&format!("this link is shown only now; it is good once, until {until}"));
    Ok(())
}

fn describe(person: &Person) -> Value {
    let time = |at: Option<OffsetDateTime>| at.map_or(Value::Null, output::rfc3339);
    json!({
        "name": person.name,
        "state": person.state(),
        "scopes": person.scopes.iter().map(Scope::as_str).collect::<Vec<_>>(),
        "tenant": person.tenant,
        "codes_since": time(person.codes_since),
        "issuer": person.issuer,
        "created_at": output::rfc3339(person.created_at),
        "created_by": person.created_by,
        "signed_in_at": time(person.signed_in_at),
        "disabled_at": time(person.disabled_at),
    })
}

fn table(people: &[Person]) -> String {
    let head = ["NAME", "STATE", "TENANT", "CODES", "SIGNED IN", "ADDED BY", "SCOPES"];
    let rows: Vec<Vec<String>> = people
        .iter()
        .map(|person| {
            let scopes: Vec<&str> = person.scopes.iter().map(Scope::as_str).collect();
            vec![
                person.name.clone(),
                person.state().to_owned(),
                person.tenant.clone().unwrap_or_else(|| "all".to_owned()),
                if person.codes_since.is_some() { "yes" } else { "no" }.to_owned(),
                person.signed_in_at.map_or_else(|| "never".to_owned(), output::time),
                person.created_by.clone(),
                scopes.join(" "),
            ]
        })
        .collect();
    output::table(&head, &rows)
}
