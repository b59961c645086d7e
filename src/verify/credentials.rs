//! Removes credentials from program output that senders forward.
//!
//! Docora forwards git's output, and git prints the clone URL, whose user name is the owner's
//! access token. The event is stored as signed; everything derived from it, and everything that
//! leaves the gateway, is redacted.

use std::borrow::Cow;

use bytes::Bytes;

const MARK: &str = "[redacted]";
/// The type of events that contain program output.
const FORWARDING: &str = "sync_failed";

/// Whether an event may contain program output: by its type, by the action in its path or, if it
/// came by the wrong path, by the first field of its body (the beginning of the body is enough).
pub fn may_hold_credentials(event_type: &str, action: Option<&str>, body: &[u8]) -> bool {
    event_type == FORWARDING || action == Some(FORWARDING) || begins_as_failure(body)
}

/// Whether the first field is `"event": "sync_failed"`. The sender writes it first.
fn begins_as_failure(body: &[u8]) -> bool {
    let mut rest = body;
    [&b"{"[..], b"\"event\"", b":", b"\"sync_failed\""].into_iter().all(|token| {
        let after = rest.trim_ascii_start().strip_prefix(token);
        rest = after.unwrap_or_default();
        after.is_some()
    })
}

/// The body of an event, redacted if it may contain credentials. In JSON, only strings that contain
/// some are rewritten.
pub fn without_credentials(event_type: &str, action: Option<&str>, body: &Bytes) -> Bytes {
    if !may_hold_credentials(event_type, action, body) {
        return body.clone();
    }
    match redact_json(&String::from_utf8_lossy(body)) {
        Some(clean) => Bytes::from(clean),
        None => body.clone(),
    }
}

/// Redacts every JSON string in `text` and the text between them; `None` if nothing changes.
fn redact_json(text: &str) -> Option<String> {
    let mut clean = String::new();
    let mut changed = false;
    let mut rest = text;
    while !rest.is_empty() {
        let begin = rest.find('"').unwrap_or(rest.len());
        let (between, after) = rest.split_at(begin);
        let (literal, after) = after.split_at(literal_length(after));
        let between = redact(between);
        let literal = match serde_json::from_str::<String>(literal) {
            Ok(value) => match redact(&value) {
                Cow::Borrowed(_) => Cow::Borrowed(literal),
                Cow::Owned(value) => Cow::Owned(serde_json::Value::from(value).to_string()),
            },
            // Truncated, or not JSON.
            Err(_) => redact(literal),
        };
        changed |= matches!(between, Cow::Owned(_)) || matches!(literal, Cow::Owned(_));
        clean.push_str(&between);
        clean.push_str(&literal);
        rest = after;
    }
    changed.then_some(clean)
}

/// The length of the JSON string that `text` begins with, including its quotes; the whole text if
/// it is unterminated.
fn literal_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Replaces GitHub tokens and the user info of URLs. Takes linear time.
pub fn redact(message: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut rest = message;
    let mut kept = message;
    // `kept` begins after the last replacement, `rest` at the current search position.
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

/// The length of the GitHub token at the beginning of `text`.
fn token(text: &str) -> Option<usize> {
    let (prefix, body) = if let Some(body) = text.strip_prefix("github_pat_") {
        ("github_pat_".len(), body)
    } else {
        let after = text.strip_prefix("gh")?.strip_prefix(['p', 'o', 'u', 's', 'r'])?;
        ("ghp_".len(), after.strip_prefix('_')?)
    };
    // Classic tokens contain no underscore; redacting one too many characters is harmless.
    let length = body.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    (length > 0).then_some(prefix + length)
}

/// The length of the text between `://` and the last `@` of the authority at the beginning of
/// `text`. The authority ends at the next slash, so adjacent URLs are not scanned twice.
fn user_info(text: &str) -> Option<usize> {
    let authority = text.strip_prefix("://")?;
    let end = authority.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(authority.len());
    authority.get(..end)?.rfind('@').filter(|length| *length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_url_user_names_are_redacted() {
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

    fn shown(event_type: &str, body: &str) -> String {
        let body = without_credentials(event_type, None, &Bytes::copy_from_slice(body.as_bytes()));
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn failure_body_is_redacted_and_otherwise_unchanged() {
        for (body, clean) in [
            (
                r#"{"event": "sync_failed","error":{"message":"for 'http://ghp_0a@h': \"x\""},"n":1.0}"#,
                r#"{"event": "sync_failed","error":{"message":"for 'http://[redacted]@h': \"x\""},"n":1.0}"#,
            ),
            (r#"{"a":"b","c":"d@e"}"#, r#"{"a":"b","c":"d@e"}"#),
            (r#"{"a":"\u0067hp_secret1","b":"\u00e9"}"#, r#"{"a":"[redacted]","b":"\u00e9"}"#),
            (r#"{"a":"http:\/\/token@host\/"}"#, r#"{"a":"http://[redacted]@host/"}"#),
            (r#"{"a":"cut off ghp_secr"#, r#"{"a":"cut off [redacted]"#),
            ("fatal: ghp_secret", "fatal: [redacted]"),
            ("", ""),
            ("\"", "\""),
        ] {
            assert_eq!(shown("sync_failed", body), clean);
        }
    }

    #[test]
    fn file_body_is_unchanged_and_misrouted_failure_is_redacted() {
        let file = r#"{"file":{"content":"\"event\":\"sync_failed\" ghp_0123abc"}}"#;
        assert_eq!(shown("create", file), file);
        let failure = r#"{"event":"sync_failed","error":{"message":"ghp_0123abc"}}"#;
        assert!(!shown("create", failure).contains("ghp_"));
    }

    #[test]
    fn text_without_credentials_is_not_copied() {
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
    fn adversarial_message_is_redacted_in_linear_time() {
        // Quadratic work over 4 MiB would not finish within a test run.
        for piece in ["://", "://a", "ghp_", "github_pat_", ":"] {
            assert!(!redact(&piece.repeat((4 << 20) / piece.len())).is_empty());
        }
    }
}
