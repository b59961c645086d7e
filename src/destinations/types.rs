//! The event types that a destination accepts.

/// Patterns of event types: `a.b` is that type, `a.*` is every type that begins with `a.`, and a
/// leading `!` excludes. With exclusions only, all other types are accepted.
#[derive(Debug, Clone)]
pub(super) struct Types {
    included: Vec<Pattern>,
    excluded: Vec<Pattern>,
}

#[derive(Debug, Clone)]
enum Pattern {
    Exactly(String),
    BeginsWith(String),
}

/// Why patterns are invalid.
#[derive(Debug, thiserror::Error)]
pub enum TypesError {
    /// Nothing would ever match.
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
        let (mut included, mut excluded) = (Vec::new(), Vec::new());
        for text in patterns {
            match text.strip_prefix('!') {
                Some(rest) => excluded.push(Pattern::new(rest, text)?),
                None => included.push(Pattern::new(text, text)?),
            }
        }
        if included.is_empty() {
            included.push(Pattern::BeginsWith(String::new()));
        }
        Ok(Self { included, excluded })
    }

    pub(super) fn contain(&self, event_type: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(event_type));
        any(&self.included) && !any(&self.excluded)
    }
}

impl Pattern {
    fn new(pattern: &str, text: &str) -> Result<Self, TypesError> {
        let (prefix, has_star) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (pattern, false),
        };
        if prefix.contains(['*', '!']) || pattern.is_empty() {
            return Err(TypesError::Pattern(text.to_owned()));
        }
        Ok(if has_star {
            Self::BeginsWith(prefix.to_owned())
        } else {
            Self::Exactly(prefix.to_owned())
        })
    }

    fn matches(&self, event_type: &str) -> bool {
        match self {
            Self::Exactly(exact) => event_type == exact,
            Self::BeginsWith(prefix) => event_type.starts_with(prefix),
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
    fn type_is_accepted_if_included_and_not_excluded() {
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
    fn invalid_pattern_is_rejected() {
        assert!(types(&[]).is_err());
        for bad in ["", "!", "*.paid", "a*b", "a**", "!!a", "a!"] {
            assert!(types(&[bad]).is_err(), "{bad:?} was accepted");
        }
    }
}
