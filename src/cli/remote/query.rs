//! The query of a request: only what is given.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Names and values.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Adds a value, if there is one.
    pub(in crate::cli) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Adds a time, if there is one.
    pub(in crate::cli) fn at(self, name: &'static str, time: Option<OffsetDateTime>) -> Self {
        self.with(name, time.and_then(|time| time.format(&Rfc3339).ok()))
    }

    /// Adds `true` if the flag is on.
    pub(in crate::cli) fn flag(self, name: &'static str, is_on: bool) -> Self {
        self.with(name, is_on.then_some("true"))
    }

    pub(super) fn pairs(&self) -> &[(&'static str, String)] {
        &self.0
    }
}
