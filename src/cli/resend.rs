//! `sealpost resend` and `sealpost retry-now`: bulk actions on the deliveries of events.

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use strum::VariantArray as _;
use time::OffsetDateTime;

use super::backend::{self, Backend};
use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::search::timestamp;
use super::{Exit, event_table, jobs, print_message};
use crate::admin::{
    BulkPreview, EventSelection, Job, JobAction, Need, ResendAction, ResendRequest, ResendState,
};
use crate::store::HandlerName;

#[derive(Debug, clap::Args)]
pub(super) struct Resend {
    #[command(flatten)]
    events: EventArgs,
    /// Only events whose latest delivery is in this state; `missing` requires --to or --handler.
    #[arg(long, value_name = "STATE", default_value = "any", value_parser = state())]
    state: ResendState,
    #[command(flatten)]
    job: JobArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct RetryNow {
    #[command(flatten)]
    events: EventArgs,
    #[command(flatten)]
    job: JobArgs,
}

/// The arguments that select events. There is no default selection.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("selection").required(true).multiple(true)
          .args(["source", "to", "handler", "type", "from", "until", "all"]))]
struct EventArgs {
    /// Only events of this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only to this destination.
    #[arg(long, value_name = "DESTINATION", conflicts_with = "handler")]
    to: Option<String>,
    /// Only to this handler.
    #[arg(long, value_name = "NAME")]
    handler: Option<String>,
    /// Only this event type; a trailing `*` matches any suffix.
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Received at or after this time, such as `2026-11-20T12:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    from: Option<OffsetDateTime>,
    /// Received before this time.
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    until: Option<OffsetDateTime>,
    /// Select every event.
    #[arg(long, conflicts_with_all = ["source", "to", "handler", "type", "from", "until"])]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct JobArgs {
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    actor: Option<String>,
    /// Maximum number of deliveries, oldest event first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    cap: Option<u32>,
    /// Maximum number of deliveries per second.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Apply the change. Without it, it is only previewed.
    #[arg(long)]
    yes: bool,
    /// Only plan the job, for a gateway that runs it: `jobs start`.
    #[arg(long, conflicts_with = "yes")]
    plan: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A preview, as one JSON document.
#[derive(Serialize)]
struct Output<'a> {
    action: ResendAction,
    dry_run: bool,
    #[serde(flatten)]
    preview: &'a BulkPreview,
}

impl Resend {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let request = self.job.request(ResendAction::Resend, self.events.selection(self.state));
        self.job.run(globals, &request)
    }
}

impl RetryNow {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let selection = self.events.selection(ResendState::Any);
        self.job.run(globals, &self.job.request(ResendAction::RetryNow, selection))
    }
}

impl EventArgs {
    fn selection(&self, state: ResendState) -> EventSelection {
        let to = self.to.as_deref().map(|to| HandlerName::Destination(to).to_string());
        EventSelection {
            source: self.source.clone(),
            handler: to.or_else(|| self.handler.clone()),
            event_type: self.r#type.clone(),
            state,
            from: self.from,
            until: self.until,
        }
    }
}

impl JobArgs {
    fn request(&self, action: ResendAction, selection: EventSelection) -> ResendRequest {
        let (cap, rate, reason) = (self.cap, self.rate, self.reason.clone());
        ResendRequest { action, selection, cap, rate, reason }
    }

    fn run(&self, globals: &GlobalArgs, request: &ResendRequest) -> anyhow::Result<Exit> {
        backend::with(globals, Need::Sources, self.actor.as_deref(), async |backend| {
            if self.plan || self.yes {
                self.plan(backend, request).await
            } else {
                self.preview(backend, request).await
            }
        })
    }

    /// Prints a preview. Nothing is changed or recorded.
    async fn preview(&self, backend: &Backend, request: &ResendRequest) -> anyhow::Result<Exit> {
        let Some(preview) = backend::found(backend.preview_resend(request).await)? else {
            return Ok(Exit::NothingMatched);
        };
        let least = if preview.counted_to.is_some() { "at least " } else { "" };
        let goal = self.cap.map_or(preview.matched, |cap| preview.matched.min(cap.into()));
        let of = if goal < preview.matched {
            format!(" of {least}{}", preview.matched)
        } else {
            String::new()
        };
        let least = if of.is_empty() { least } else { "" };
        let text = format!(
            "would {} {least}{goal}{of}: {}\n{}{}",
            JobAction::from(request.action).verb(),
            output::line(&request.selection.to_string()),
            event_table::table(&preview.events),
            output::more(preview.events.len(), goal),
        );
        let dry_run = Output { action: request.action, dry_run: true, preview: &preview };
        output::print_as(self.format, &text, &dry_run)?;
        if let Some(at) = preview.counted_to {
            print_message(&format!("counted up to {}; there may be more", output::time(at)));
        }
        print_message("nothing changed; pass --yes to apply");
        Ok(Exit::Ok)
    }

    /// Plans the job, and runs it unless it is only planned.
    async fn plan(&self, backend: &Backend, request: &ResendRequest) -> anyhow::Result<Exit> {
        let Some(plan) = backend::found(backend.plan_resend(request).await)? else {
            return Ok(Exit::NothingMatched);
        };
        if self.plan {
            jobs::print_plan(&plan, self.format)?;
            return Ok(Exit::Ok);
        }
        let (job, ended) = jobs::run_here(backend, &plan.job).await?;
        // Print partial results if it failed.
        output::print_as(self.format, &done(request.action, &job), &job)?;
        ended?;
        Ok(if job.skipped == 0 { Exit::Ok } else { Exit::Failed })
    }
}

/// What a job did, in words.
fn done(action: ResendAction, job: &Job) -> String {
    let did = match action {
        ResendAction::Resend => "resent",
        ResendAction::RetryNow => "made due",
    };
    format!("{did} {}\n{}", job.resolved, jobs::skipped(job, "skipped"))
}

/// Parses the state of the latest delivery.
fn state() -> impl TypedValueParser<Value = ResendState> {
    let words = ResendState::VARIANTS.iter().map(|state| state.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<ResendState>())
}
