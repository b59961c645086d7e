//! Results of an action on dead letters.

use serde_json::{Value, json};

use crate::admin::{Action, ActionResult};
use crate::cli::Exit;
use crate::cli::output::{self, Format};

/// The results so far.
#[derive(Default)]
pub(in crate::cli) struct Done {
    resolved: Vec<i64>,
    created: Vec<i64>,
    refused: Vec<(i64, String)>,
}

impl Done {
    /// Adds the results of a batch.
    pub(super) fn with(mut self, batch: ActionResult) -> Self {
        self.resolved.extend(batch.resolved);
        self.created.extend(batch.created);
        self.refused.extend(batch.refused.into_iter().map(|(id, why)| (id, why.to_string())));
        self
    }

    /// Number of items processed.
    pub(in crate::cli) fn seen(&self) -> usize {
        self.resolved.len() + self.refused.len()
    }

    /// Whether this delivery was processed.
    pub(super) fn knows(&self, id: i64) -> bool {
        self.resolved.contains(&id) || self.refused.iter().any(|(refused, _)| *refused == id)
    }

    /// Exit status of the command.
    pub(super) fn exit(&self) -> Exit {
        if self.refused.is_empty() { Exit::Ok } else { Exit::Failed }
    }

    pub(super) fn print(&self, action: Action, format: Format) -> std::io::Result<()> {
        match format {
            Format::Text => {
                let (did, count) = (action.resolution().as_str(), self.resolved.len());
                let mut text = match &self.created[..] {
                    [] => format!("{did} {count}\n"),
                    [first, .., last] => format!("{did} {count}; new: {first} to {last}\n"),
                    [new] => format!("{did} {count}; new: {new}\n"),
                };
                for (id, why) in &self.refused {
                    let refused = format!("skipped {id}: {}\n", output::line(why));
                    text.push_str(&refused);
                }
                output::print(&text)
            }
            Format::Json => {
                let refused: Vec<Value> =
                    self.refused.iter().map(|(id, why)| json!({ "id": id, "why": why })).collect();
                output::print(&output::json(&json!({
                    "action": action.as_str(),
                    "dry_run": false,
                    "resolved": self.resolved,
                    "created": self.created,
                    "refused": refused,
                })))
            }
        }
    }
}
