//! Which events to erase or to export.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::FieldValue;
use crate::store::{EventId, IdRange};

/// How many digits of a digest stand for a value.
const DIGITS: usize = 16;

/// A selection of events. All given parts must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectSelection {
    pub by: SelectBy,
    /// Only of this source.
    pub source: Option<String>,
    /// Received at or after this time. For a chunked payload the first chunk counts.
    pub from: Option<OffsetDateTime>,
    /// Received before this time.
    pub until: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectBy {
    Event(EventId),
    /// The deduplication key: the sender's own id, or the SHA-256 of the body in hexadecimal.
    Key(String),
    /// The lane of a delivery, as it is shown.
    Lane(String),
    /// A value in the body.
    Field(FieldValue),
    Tenant(String),
}

impl SubjectSelection {
    /// One event.
    pub fn of(event: EventId) -> Self {
        Self { by: SelectBy::Event(event), source: None, from: None, until: None }
    }

    pub(super) fn range(&self) -> IdRange {
        let range = IdRange::between(self.from, self.until);
        match &self.by {
            SelectBy::Event(event) => range.and(IdRange::of(*event)),
            _ => range,
        }
    }

    /// The selection for the audit log, which is never erased: a value is a digest there. The same
    /// value always has the same digest, so that an erasure can be found again.
    pub(super) fn audited(&self) -> String {
        let digest = |value: &str| {
            let digest = hex::encode(Sha256::digest(value));
            format!("sha256:{}", digest.get(..DIGITS).unwrap_or_default())
        };
        self.described(digest)
    }

    fn described(&self, value: impl Fn(&str) -> String) -> String {
        let mut text = match &self.by {
            SelectBy::Event(event) => format!("event {event}"),
            SelectBy::Key(key) => format!("events with key {}", value(key)),
            SelectBy::Lane(lane) => format!("events in lane {}", value(lane)),
            SelectBy::Field(field) => {
                format!("events where {} is {}", field.pointer, value(&field.value))
            }
            SelectBy::Tenant(tenant) => format!("events of tenant {tenant}"),
        };
        if let Some(source) = &self.source {
            text.push_str(" of source ");
            text.push_str(source);
        }
        for (word, at) in [(" from ", self.from), (" until ", self.until)] {
            if let Some(at) = at.and_then(|at| at.format(&Rfc3339).ok()) {
                text.push_str(word);
                text.push_str(&at);
            }
        }
        text
    }
}

impl fmt::Display for SubjectSelection {
    /// For the user who has given it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.described(str::to_owned))
    }
}

impl Serialize for SubjectSelection {
    /// As it is shown.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn audited_selection_has_a_digest_instead_of_the_value() {
        let field = "/customer=cus_1".parse().unwrap();
        let selection = SubjectSelection {
            by: SelectBy::Field(field),
            source: Some("billing".into()),
            from: Some(datetime!(2026-11-20 12:00 UTC)),
            until: None,
        };
        let shown = "events where /customer is cus_1 of source billing from 2026-11-20T12:00:00Z";
        assert_eq!(selection.to_string(), shown);
        let digest = hex::encode(&Sha256::digest("cus_1")[..8]);
        let audited = shown.replace("cus_1", &format!("sha256:{digest}"));
        assert_eq!(selection.audited(), audited);
    }
}
