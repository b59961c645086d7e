//! `sealpost erase`: the payload of events, and everything derived from it.

use super::globals::GlobalArgs;
use super::output::{self, Format};
use super::subject_selection::{ScanLine, SelectionArgs};
use super::{Exit, UsageError, backend, print_message};
use crate::admin::{ErasureRequest, ErasureResult, Need, Reason};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Also erase events that are not finished: their unfinished deliveries and open dead letters
    /// are discarded. Otherwise they are listed and left as they are.
    #[arg(long)]
    discard_unfinished: bool,
    /// Reason, kept with the erased events and in the audit log, which is never erased: it should
    /// not contain personal data.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Erase. Without it nothing is changed.
    #[arg(long, requires = "reason")]
    yes: bool,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    pub(super) fn run(&self, globals: &GlobalArgs) -> anyhow::Result<Exit> {
        let selection = self.selection.selection().ok_or(UsageError("nothing is selected"))?;
        let reason = self.reason.as_deref().filter(|_| self.yes).map(Reason::new).transpose()?;
        backend::with_database(
            globals,
            Need::Names,
            self.actor.as_deref(),
            async |admin, caller| {
                let request = ErasureRequest {
                    selection: &selection,
                    reason: reason.as_ref(),
                    discard_unfinished: self.discard_unfinished,
                };
                let mut line = ScanLine::new();
                let show = |progress: crate::admin::ErasureProgress| {
                    line.show((progress.read, progress.erased), progress.last);
                };
                let erased = admin.personal_data.erase(caller, request, show).await;
                line.end();
                let result = erased?;
                if result.is_empty() {
                    return Ok(Exit::NothingMatched);
                }
                output::print_as(self.format, &text(&result), &result)?;
                if result.refused > 0 {
                    print_message(
                        "unfinished events are left as they are; replay, discard or wait for their \
                     deliveries, or pass --discard-unfinished",
                    );
                }
                if result.dry_run {
                    print_message("nothing changed; pass --yes and --reason to erase");
                } else if result.objects > 0 {
                    print_message("a running gateway removes the objects within half an hour");
                }
                Ok(if result.refused > 0 { Exit::Failed } else { Exit::Ok })
            },
        )
    }
}

/// The result in words, without what there is none of.
fn text(result: &ErasureResult) -> String {
    let verb = if result.dry_run { "would erase" } else { "erased" };
    let mut lines = vec![format!("{verb} {} events\n", result.events)];
    let counts = [
        ("deliveries", result.deliveries),
        ("unfinished deliveries and open dead letters, discarded", result.discarded),
        ("rows of providers", result.derived_rows),
        ("stored objects", result.objects),
        ("incomplete transfers", result.transfers),
        ("rejected requests", result.rejected_requests),
    ];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    lines.extend(counts.map(|(what, count)| format!("{count} {what}\n")));
    lines.extend(result.sample.iter().map(|event| format!("event {event}\n")));
    lines.push(output::more(result.sample.len(), result.events));
    if result.refused > 0 {
        lines.push(format!("not erased, because unfinished: {} events\n", result.refused));
    }
    lines.extend(result.unfinished.iter().map(|one| {
        let handler = output::line(&one.handler);
        let (delivery, state, event) = (one.delivery, one.state, one.event);
        format!("delivery {delivery}, {handler}, {state}, of event {event}\n")
    }));
    lines.concat()
}
