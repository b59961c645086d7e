//! Takes credentials out of messages before they are kept.
//!
//! Docora forwards what git printed, and git prints the clone address, whose user name is the
//! owner's access token.

use std::borrow::Cow;

const MARK: &str = "[redacted]";

/// `message` with GitHub tokens, and whatever stands before the `@` of an address, replaced. Each
/// byte is looked at a bounded number of times.
pub(super) fn redact(message: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = message;
    let mut kept = message;
    // `kept` runs from the end of the last replacement, `rest` from where the search goes on.
    while let Some(c) = rest.chars().next() {
        let found = match c {
            'g' => token(rest).map(|length| (0, length)),
            ':' => user_info(rest).map(|length| ("://".len(), length)),
            _ => None,
        };
        if let Some((lead, length)) = found {
            let before = kept.len() - rest.len() + lead;
            clean.push_str(kept.get(..before).unwrap_or_default());
            clean.push_str(MARK);
            rest = rest.get(lead + length..).unwrap_or_default();
            kept = rest;
        } else {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    if kept.len() == message.len() {
        return Cow::Borrowed(message);
    }
    clean.push_str(kept);
    Cow::Owned(clean)
}

/// The length of the GitHub token that `text` begins with.
fn token(text: &str) -> Option<usize> {
    let (prefix, body) = if let Some(body) = text.strip_prefix("github_pat_") {
        ("github_pat_".len(), body)
    } else {
        let after = text.strip_prefix("gh")?.strip_prefix(['p', 'o', 'u', 's', 'r'])?;
        ("ghp_".len(), after.strip_prefix('_')?)
    };
    // An underscore ends no token here: a classic one has none, and to take one away too many
    // does no harm.
    let length = body.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    (length > 0).then_some(prefix + length)
}

/// The length of what stands between `://` and the last `@` of the authority that `text` begins.
/// The authority ends at the next slash, so neighbouring addresses do not share a look.
fn user_info(text: &str) -> Option<usize> {
    let authority = text.strip_prefix("://")?;
    let end = authority.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(authority.len());
    authority.get(..end)?.rfind('@').filter(|length| *length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_user_names_in_addresses_are_taken_out() {
        for (message, clean) in [
            (
                "fatal: could not read Password for 'http://ghp_0123abcDEF@github.com': no tty",
                "fatal: could not read Password for 'http://[redacted]@github.com': no tty",
            ),
            (
                "https://user:p@ss@host/x and ssh://git@host",
                "https://[redacted]@host/x and ssh://[redacted]@host",
            ),
            ("bad token gho_A1b2.", "bad token [redacted]."),
            ("github_pat_11ABC_def!", "[redacted]!"),
            ("xghs_1 ghr_2 ghu_3", "x[redacted] [redacted] [redacted]"),
            ("http://ü€@host", "http://[redacted]@host"),
        ] {
            assert_eq!(redact(message), clean);
        }
    }

    #[test]
    fn what_holds_no_credential_is_not_even_copied() {
        for message in [
            "",
            "fatal: 'https://github.com/owner/repo/' not found",
            "ghp_",
            "gh",
            "://@",
            "mail a@b",
        ] {
            assert!(matches!(redact(message), Cow::Borrowed(same) if same == message), "{message}");
        }
    }

    #[test]
    fn a_long_message_made_to_be_slow_is_not() {
        // Quadratic work over 4 MiB would not come to an end within the life of a test run.
        for piece in ["://", "://a", "ghp_", "github_pat_", ":"] {
            assert!(!redact(&piece.repeat((4 << 20) / piece.len())).is_empty());
        }
    }
}
