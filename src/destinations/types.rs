//! Which event types a destination takes.

/// Patterns of event types: `a.b` is that type, `a.*` everything that begins with `a.`, and `!`
/// before a pattern takes out what it matches. Where there are only such, everything else is in.
#[derive(Debug, Clone)]
pub(super) struct Types {
    within: Vec<Pattern>,
    without: Vec<Pattern>,
}

#[derive(Debug, Clone)]
enum Pattern {
    Exactly(String),
    BeginsWith(String),
}

/// Why patterns cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TypesError {
    /// Nothing would ever be taken.
    #[error("the list is empty")]
    None,
    /// A pattern is empty, or has a star before its end.
    #[error("`{0}` is not an event type or a prefix ending in a single `*`")]
    Pattern(String),
}

impl Types {
    pub(super) fn new(patterns: &[String]) -> Result<Self, TypesError> {
        if patterns.is_empty() {
            return Err(TypesError::None);
        }
        let (mut within, mut without) = (Vec::new(), Vec::new());
        for text in patterns {
            match text.strip_prefix('!') {
                Some(rest) => without.push(Pattern::new(rest, text)?),
                None => within.push(Pattern::new(text, text)?),
            }
        }
        if within.is_empty() {
            within.push(Pattern::BeginsWith(String::new()));
        }
        Ok(Self { within, without })
    }

    pub(super) fn contain(&self, event_type: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(event_type));
        any(&self.within) && !any(&self.without)
    }
}

impl Pattern {
    fn new(pattern: &str, text: &str) -> Result<Self, TypesError> {
        let (stem, is_open) = match pattern.strip_suffix('*') {
            Some(stem) => (stem, true),
            None => (pattern, false),
        };
        if stem.contains(['*', '!']) || pattern.is_empty() {
            return Err(TypesError::Pattern(text.to_owned()));
        }
        Ok(if is_open { Self::BeginsWith(stem.to_owned()) } else { Self::Exactly(stem.to_owned()) })
    }

    fn matches(&self, event_type: &str) -> bool {
        match self {
            Self::Exactly(exact) => event_type == exact,
            Self::BeginsWith(stem) => event_type.starts_with(stem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(patterns: &[&str]) -> Result<Types, TypesError> {
        Types::new(&patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_type_is_taken_where_a_pattern_matches_and_no_exclusion_does() {
        for (patterns, event_type, taken) in [
            (&["*"][..], "anything", true),
            (&["invoice.paid"], "invoice.paid", true),
            (&["invoice.paid"], "invoice.paid.late", false),
            (&["invoice.*"], "invoice.paid", true),
            (&["invoice.*"], "invoice", false),
            (&["invoice*"], "invoice", true),
            (&["invoice.*", "charge.*"], "charge.refunded", true),
            (&["invoice.*", "!invoice.created"], "invoice.created", false),
            (&["!invoice.created", "invoice.*"], "invoice.created", false),
            (&["invoice.*", "!invoice.created"], "invoice.paid", true),
            (&["!invoice.*"], "invoice.paid", false),
            (&["!invoice.*"], "charge.refunded", true),
            (&["!*"], "anything", false),
        ] {
            assert_eq!(
                types(patterns).unwrap().contain(event_type),
                taken,
                "{patterns:?} {event_type}"
            );
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!(types(&[]).is_err());
        for bad in ["", "!", "*.paid", "a*b", "a**", "!!a", "a!"] {
            assert!(types(&[bad]).is_err(), "{bad:?} was taken");
        }
    }
}
