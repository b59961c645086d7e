//! `sealpost dead-letters edit | unblock`.

use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::json;

use crate::admin::DeadLetters;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit, caller};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Edit {
    /// Delivery ID.
    id: i64,
    /// File with the edited body.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT", required_if_eq("yes", "true"),
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: Option<String>,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Create the event. Without it, only the diff is printed.
    #[arg(long)]
    yes: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Unblock {
    /// Delivery ID.
    id: i64,
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

impl Edit {
    pub(super) async fn run(&self, desk: &DeadLetters) -> anyhow::Result<Exit> {
        let caller = caller(self.actor.as_deref())?;
        let body = tokio::fs::read(&self.body).await;
        let body = Bytes::from(body.with_context(|| format!("{}", self.body.display()))?);
        if !self.yes {
            let preview = desk.preview_edit(&caller, self.id, &body).await?;
            let document = json!({
                "dry_run": true,
                "delivery": preview.delivery,
                "event": preview.event.to_string(),
                "handlers": preview.handlers,
                "diff": preview.diff,
                "is_partial": preview.is_partial,
            });
            output::print_as(self.format, &output::lines(&preview.diff), &document)?;
            if preview.is_partial {
                cli::talk("the diff is truncated");
            }
            cli::talk(&format!(
                "nothing changed; pass --yes to create a new event for {}",
                output::line(&preview.handlers.join(", "))
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
        let text = format!("unblocked the lane of delivery {}\n", self.id);
        output::print_as(self.format, &text, &json!({ "delivery": self.id }))?;
        Ok(Exit::Ok)
    }
}
