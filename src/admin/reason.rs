//! The reason a user gives for a change, with one rule for console, API and command line.

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminError;

/// The reason of a change, for the audit log: 1 to 500 characters, not blank, no control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 500,
         pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
pub struct Reason(String);

impl Reason {
    /// The maximum length, in characters.
    pub const MAX_CHARS: usize = 500;

    /// Trims and checks a reason.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for a text that is blank, too long or has control characters.
    pub fn new(text: &str) -> Result<Self, AdminError> {
        let reason = text.trim();
        if reason.is_empty() {
            let missing = "a reason is required (recorded in the audit log)";
            return Err(AdminError::Invalid(missing.to_owned()));
        }
        if text.chars().count() > Self::MAX_CHARS {
            let long = format!("the reason must have at most {} characters", Self::MAX_CHARS);
            return Err(AdminError::Invalid(long));
        }
        if text.chars().any(char::is_control) {
            let controls = "the reason must be a single line without control characters";
            return Err(AdminError::Invalid(controls.to_owned()));
        }
        Ok(Self(reason.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Reason {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = AdminError;

    fn try_from(text: String) -> Result<Self, AdminError> {
        Self::new(&text)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_one_line_with_visible_text() {
        let long = "ä".repeat(Reason::MAX_CHARS);
        for good in ["a", " the secret was mistyped ", "\u{1f44d}", &long] {
            assert_eq!(Reason::new(good).unwrap().as_str(), good.trim());
        }
        for wrong in [
            "",
            " ",
            "\u{a0}\u{2003}",
            "a\nb",
            "a\tb",
            "a\0",
            "\u{1b}[31m",
            "\u{9b}",
            &format!("{long}x"),
        ] {
            assert!(matches!(Reason::new(wrong), Err(AdminError::Invalid(_))), "{wrong:?}");
            assert!(Reason::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }
}
