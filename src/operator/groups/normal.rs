//! What error texts have in common: the text with everything taken out that varies from one event
//! to the next. Pure, and bounded.

/// The longest message, in characters.
const MOST: usize = 300;
/// How much of a text is looked at, in characters; an error's first line is rarely longer.
const LOOKED_AT: usize = 2000;
/// The longest run of letters and digits with a digit in it that is a name and not an id.
const NAME: usize = 7;

/// The first line of an error text, without numbers, ids, quoted texts and paths.
///
/// ```
/// let text = "card 17 of 'ada@example.org': /decks/intro.md is not there";
/// assert_eq!(sealpost::operator::normalise(text), "card <n> of <text>: <path> is not there");
/// ```
pub fn normalise(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let characters: Vec<char> = line.chars().take(LOOKED_AT).collect();
    let mut message = String::new();
    let mut rest = &characters[..];
    let mut before = None;
    let mut length = 0;
    while let [first, after @ ..] = rest {
        let (piece, remaining) = if let Some((quoted, remaining)) = quoted(*first, after, before) {
            (quoted.to_owned(), remaining)
        } else if first.is_whitespace() {
            (" ".to_owned(), after)
        } else {
            let end = rest.iter().position(|c| c.is_whitespace() || is_quote(*c)).unwrap_or(1);
            let end = if rest.iter().any(|c| c.is_whitespace() || is_quote(*c)) {
                end.max(1)
            } else {
                rest.len()
            };
            let (word, remaining) = rest.split_at(end);
            (plain(&word.iter().collect::<String>()), remaining)
        };
        before = rest.get(rest.len() - remaining.len() - 1).copied();
        length += piece.chars().count();
        if length > MOST {
            break;
        }
        message.push_str(&piece);
        rest = remaining;
    }
    message.trim().to_owned()
}

fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '"' | '`')
}

/// What stands in quotes, and what comes after; none where it is an apostrophe, or never ends.
fn quoted(first: char, after: &[char], before: Option<char>) -> Option<(&'static str, &[char])> {
    if !is_quote(first) || before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let end = after.iter().position(|c| *c == first)?;
    Some(("<text>", after.get(end + 1..)?))
}

/// A word without white space.
fn plain(word: &str) -> String {
    if let Some((scheme, address)) = word.split_once("://") {
        let host = address.split(['/', '?', '#']).next().unwrap_or_default();
        let tail = if host.len() < address.len() { "/<path>" } else { "" };
        return format!("{}://{}{tail}", runs(scheme), runs(host));
    }
    let (head, core, tail) = trimmed(word);
    if is_path(core) {
        return format!("{}<path>{}", runs(head), runs(tail));
    }
    if is_uuid(core) {
        return format!("{}<id>{}", runs(head), runs(tail));
    }
    runs(word)
}

/// A word in three: punctuation, what it is about, punctuation.
fn trimmed(word: &str) -> (&str, &str, &str) {
    let punctuation = |c: char| c.is_ascii_punctuation() && !matches!(c, '/' | '_' | '<' | '>');
    let core = word.trim_start_matches(punctuation);
    let head = word.strip_suffix(core).unwrap_or_default();
    let inner = core.trim_end_matches(punctuation);
    let tail = core.strip_prefix(inner).unwrap_or_default();
    (head, inner, tail)
}

/// Whether it is a path; `and/or` and `text/html` are none.
fn is_path(word: &str) -> bool {
    let slashes = word.matches('/').count();
    let (_, last) = word.rsplit_once('/').unwrap_or_default();
    (word.starts_with('/') && word.len() > 1) || slashes > 1 || (slashes == 1 && last.contains('.'))
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36
        && word.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Takes out the numbers and ids of a word, run by run.
fn runs(word: &str) -> String {
    let mut text = String::new();
    let mut run = String::new();
    for c in word.chars() {
        if c.is_alphanumeric() {
            run.push(c);
        } else {
            text.push_str(&without_digits(&run));
            run.clear();
            text.push(c);
        }
    }
    text.push_str(&without_digits(&run));
    text
}

/// A run of letters and digits: an id where it is long, else a name with its numbers taken out.
fn without_digits(run: &str) -> String {
    if !run.contains(char::is_numeric) {
        return run.to_owned();
    }
    if run.chars().all(char::is_numeric) {
        return "<n>".to_owned();
    }
    if run.chars().count() > NAME {
        return "<id>".to_owned();
    }
    let mut text = String::new();
    let mut in_number = false;
    for c in run.chars() {
        if !c.is_numeric() {
            text.push(c);
        } else if !in_number {
            text.push_str("<n>");
        }
        in_number = c.is_numeric();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_varies_is_taken_out_and_what_was_written_by_a_programmer_stays() {
        for (text, message) in [
            ("it broke\nin two lines", "it broke"),
            ("", ""),
            ("timed out after 1503 ms (attempt 3/8)", "timed out after <n> ms (attempt <n>/<n>)"),
            ("no account acct_1NgXk2eZvKYlo2C", "no account acct_<id>"),
            ("event evt_12 is unknown", "event evt_<n> is unknown"),
            ("run 0190f3c4-7e11-7abc-8def-0123456789ab is gone", "run <id> is gone"),
            ("digest deadbeef01 differs", "digest <id> differs"),
            ("field `guild_id` is \"12\"", "field <text> is <text>"),
            ("the card's table doesn't exist", "the card's table doesn't exist"),
            (
                "GET https://api.example.org/runs/abc?x=1: 503",
                "GET https://api.example.org/<path> <n>",
            ),
            ("decks/intro/a.md: no front matter", "<path>: no front matter"),
            ("neither text/html nor and/or", "neither text/html nor and/or"),
            ("column v2 of utf8", "column v<n> of utf<n>"),
        ] {
            assert_eq!(normalise(text), message, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_short_message_without_digits(text in "\\PC{0,400}|[a-z0-9'\"/:. -]{0,900}") {
            let message = normalise(&text);
            prop_assert!(message.chars().count() <= MOST);
            prop_assert!(!message.contains(char::is_numeric), "{message}");
        }

        #[test]
        fn texts_that_differ_in_their_numbers_give_the_same_message(
            words in proptest::collection::vec("[a-z]{1,9}", 1..8),
            numbers in proptest::collection::vec((0_u64.., 0_u64..), 8),
        ) {
            let text = |number: fn(&(u64, u64)) -> u64| {
                let pairs = words.iter().zip(&numbers);
                let parts: Vec<String> =
                    pairs.map(|(word, pair)| format!("{word} {}", number(pair))).collect();
                parts.join(" ")
            };
            prop_assert_eq!(normalise(&text(|pair| pair.0)), normalise(&text(|pair| pair.1)));
        }
    }
}
