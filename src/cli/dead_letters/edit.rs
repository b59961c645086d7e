//! `sealpost dead-letters edit`.

use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;

use crate::admin::Need;
use crate::cli::backend::{self, Backend};
use crate::cli::globals::GlobalArgs;
use crate::cli::output::{self, Format};
use crate::cli::{self, Exit};

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

impl Edit {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let body = std::fs::read(&self.body)
            .with_context(|| format!("cannot read {}", self.body.display()))?;
        let body = Bytes::from(body);
        backend::with(globals, Need::Sources, self.actor.as_deref(), async |backend| {
            if self.yes {
                self.edit(backend, &body).await
            } else {
                self.preview(backend, &body).await
            }
        })
    }

    async fn preview(&self, backend: &Backend, body: &Bytes) -> anyhow::Result<Exit> {
        let preview = backend.preview_edit(self.id, body).await?;
        output::print_as(self.format, &output::lines(&preview.diff), &preview)?;
        if preview.is_partial {
            cli::print_message("the diff is truncated");
        }
        cli::print_message(&format!(
            "nothing changed; pass --yes to create a new event for {}",
            output::line(&preview.handlers.join(", "))
        ));
        Ok(Exit::Ok)
    }

    async fn edit(&self, backend: &Backend, body: &Bytes) -> anyhow::Result<Exit> {
        let reason = self.reason.as_deref().unwrap_or_default();
        let edited = backend.edit(self.id, body, reason).await?;
        let created: Vec<String> = edited.created.iter().map(i64::to_string).collect();
        let text = format!("event {}; new: {}\n", edited.event, created.join(", "));
        output::print_as(self.format, &text, &edited)?;
        Ok(Exit::Ok)
    }
}
