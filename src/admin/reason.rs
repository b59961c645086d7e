//! Why something is done, in the words of whoever does it: one rule for console, API and command
//! line, held here.

use super::AdminError;

/// A reason, for the audit log: 1 to [`Reason::LONGEST`] characters, not all of them blank, and no
/// control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason<'a>(&'a str);

impl<'a> Reason<'a> {
    /// The most characters.
    pub const LONGEST: usize = 500;

    /// Reads a reason. Blanks around it are left out.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for a text that is no reason.
    pub fn new(text: &'a str) -> Result<Self, AdminError> {
        let reason = text.trim();
        if reason.is_empty() {
            let missing = "a reason is required (recorded in the audit log)";
            return Err(AdminError::Invalid(missing.to_owned()));
        }
        if text.chars().count() > Self::LONGEST {
            let long = format!("the reason must have at most {} characters", Self::LONGEST);
            return Err(AdminError::Invalid(long));
        }
        if text.chars().any(char::is_control) {
            let controls = "the reason must be a single line without control characters";
            return Err(AdminError::Invalid(controls.to_owned()));
        }
        Ok(Self(reason))
    }

    /// The text.
    pub fn get(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_in_one_line() {
        let long = "ä".repeat(Reason::LONGEST);
        for good in ["a", " the secret was mistyped ", "\u{1f44d}", &long] {
            assert_eq!(Reason::new(good).unwrap().get(), good.trim());
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
        }
    }
}
