//! `sealpost dead-letters edit | free`: what is done to one.

use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::json;

use crate::admin::DeadLetters;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit, caller};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Edit {
    /// The delivery's id.
    id: i64,
    /// The file with the edited body.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", required_if_eq("yes", "true"),
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: Option<String>,
    /// Who, for the audit log; by default the user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Do it.
    #[arg(long)]
    yes: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Unblock {
    /// The delivery's id.
    id: i64,
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

impl Edit {
    pub(super) async fn run(&self, desk: &DeadLetters) -> anyhow::Result<Exit> {
        let caller = caller(self.actor.as_deref())?;
        let body = tokio::fs::read(&self.body).await;
        let body = Bytes::from(body.with_context(|| format!("{}", self.body.display()))?);
        if !self.yes {
            let rehearsal = desk.preview_edit(&caller, self.id, &body).await?;
            let document = json!({
                "dry_run": true,
                "delivery": rehearsal.delivery,
                "event": rehearsal.event.to_string(),
                "handlers": rehearsal.handlers,
                "diff": rehearsal.diff,
                "is_partial": rehearsal.is_partial,
            });
            output::print_as(self.format, &output::lines(&rehearsal.diff), &document)?;
            if rehearsal.is_partial {
                cli::talk("the difference goes on");
            }
            cli::talk(&format!(
                "nothing was done: --yes makes a new event, for {}",
                output::line(&rehearsal.handlers.join(", "))
            ));
            return Ok(Exit::Ok);
        }
        let reason = self.reason.as_deref().unwrap_or_default();
        let edited = desk.edit(&caller, self.id, &body, reason).await?;
        let created: Vec<String> = edited.created.iter().map(i64::to_string).collect();
        let text = format!("event {}; new: {}\n", edited.event, created.join(", "));
        let document = json!({ "event": edited.event.to_string(), "created": edited.created });
        output::print_as(self.format, &text, &document)?;
        Ok(Exit::Ok)
    }
}

impl Unblock {
    pub(super) async fn run(&self, desk: &DeadLetters) -> anyhow::Result<Exit> {
        desk.free(&caller(self.actor.as_deref())?, self.id, &self.reason).await?;
        let text = format!("delivery {} holds its lane no longer\n", self.id);
        output::print_as(self.format, &text, &json!({ "delivery": self.id }))?;
        Ok(Exit::Ok)
    }
}
