//! Selects dead letters by ID, by filter, or all of them. There is no default selection.

use super::FilterArgs;
use crate::admin::{BulkRequest, DeadLetterAction, Selection};

/// The filter arguments.
const FILTERS: [&str; 8] =
    ["event", "source", "handler", "death_reason", "older_than", "newer_than", "group", "class"];

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("selection").required(true).multiple(true)
          .args(["ids", "all"]).args(FILTERS))]
pub(in crate::cli) struct SelectionArgs {
    /// Delivery IDs.
    #[arg(value_name = "ID", conflicts_with_all = FILTERS)]
    pub(super) ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Select every open dead letter.
    #[arg(long, conflicts_with_all = FILTERS, conflicts_with = "ids")]
    all: bool,
}

impl SelectionArgs {
    fn to_selection(&self) -> Selection {
        if self.ids.is_empty() {
            Selection::Matching(self.filter.filter(false))
        } else {
            Selection::Ids(self.ids.clone())
        }
    }
}

/// A bulk action on a selection: the arguments of a job, planned or run at once.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct JobArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Reason, recorded in the audit log.
    #[arg(long, value_name = "TEXT",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) reason: String,
    /// Name recorded in the audit log; defaults to the current user.
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(in crate::cli) actor: Option<String>,
    /// Maximum number to process, oldest first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) cap: Option<u32>,
    /// Maximum number per second.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

impl JobArgs {
    pub(in crate::cli) fn request(&self, action: DeadLetterAction, force: bool) -> BulkRequest {
        BulkRequest {
            action,
            selection: self.selection.to_selection(),
            cap: self.cap,
            rate: self.rate,
            reason: self.reason.clone(),
            force,
        }
    }
}
