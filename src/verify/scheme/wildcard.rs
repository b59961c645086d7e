//! Patterns in which `*` stands for a word of one or more characters.

/// What follows the beginning that the pattern describes; `None` if the text begins in another way.
/// `is_word` says which characters a `*` may stand for; it takes as many as there are.
pub(super) fn strip<'t>(
    text: &'t [u8],
    pattern: &str,
    is_word: impl Fn(u8) -> bool,
) -> Option<&'t [u8]> {
    let mut literals = pattern.split('*');
    let mut rest = text.strip_prefix(literals.next().unwrap_or_default().as_bytes())?;
    for literal in literals {
        let length = rest.iter().take_while(|byte| is_word(**byte)).count();
        let (word, after) = rest.split_at_checked(length)?;
        if word.is_empty() {
            return None;
        }
        rest = after.strip_prefix(literal.as_bytes())?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stands_for_a_word() {
        let strip = |text: &'static str, pattern| {
            let rest = strip(text.as_bytes(), pattern, |byte| byte.is_ascii_alphanumeric())?;
            std::str::from_utf8(rest).ok()
        };
        for (text, pattern, rest) in [
            ("key-prod-abc", "key-*-", Some("abc")),
            ("key-prod-abc", "key-*", Some("-abc")),
            ("key--abc", "key-*-", None),
            ("other", "key-*-", None),
            ("a.b.c", "a.*.c", Some("")),
            ("abc", "abc", Some("")),
            ("abc", "", Some("abc")),
        ] {
            assert_eq!(strip(text, pattern), rest, "{text} {pattern}");
        }
    }
}
