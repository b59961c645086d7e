//! Selects dead letters by ID, by filter, or all of them. There is no default selection.

use super::FilterArgs;
use crate::admin::Selection;

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
    pub(in crate::cli) fn to_selection(&self) -> Selection {
        if self.ids.is_empty() {
            Selection::Matching(self.filter.filter(false))
        } else {
            Selection::Ids(self.ids.clone())
        }
    }
}
