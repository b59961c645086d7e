//! Which dead letters are dealt with: those that are named, those that match, or all of them. What
//! is said nothing of is not dealt with.

use super::FilterArgs;
use crate::admin::Selection;

/// Everything that chooses by what dead letters have in common.
const FILTERS: [&str; 8] =
    ["event", "source", "handler", "death_reason", "older_than", "newer_than", "group", "class"];

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true)
          .args(["ids", "all"]).args(FILTERS))]
pub(in crate::cli) struct WhichArgs {
    /// These deliveries.
    #[arg(value_name = "ID", conflicts_with_all = FILTERS)]
    pub(super) ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Every open dead letter.
    #[arg(long, conflicts_with_all = FILTERS, conflicts_with = "ids")]
    all: bool,
}

impl WhichArgs {
    /// Which they are.
    pub(in crate::cli) fn selection(&self) -> Selection {
        if self.ids.is_empty() {
            Selection::Matching(self.filter.filter(false))
        } else {
            Selection::Ids(self.ids.clone())
        }
    }
}
