//! Normalises single words of an error text: which of their letters and digits are a value.

use std::net::{IpAddr, SocketAddr};

use super::split;

/// The maximum length of a name that contains a digit; anything longer is an id.
const NAME: usize = 7;
/// The maximum length of a number that is an error code.
const CODE: usize = 6;
/// Words before an HTTP status.
const BEFORE_STATUS: &[&str] = &["answered", "code", "http", "replied", "responded", "status"];
/// Words before an HTTP status or a count; it is a status only at the end of a clause.
const BEFORE_STATUS_OR_COUNT: &[&str] = &["gave", "got", "returned", "returns", "with"];
/// Names that contain a number, by the words before that number; `&[]` allows any single digit.
const NUMBERED: &[(&str, &[&str])] = &[
    ("aes", &["128", "192", "256"]),
    ("base", &["16", "32", "36", "58", "62", "64", "85"]),
    ("ed", &["448", "25519"]),
    ("es", &["256", "384", "512"]),
    ("f", &["16", "32", "64", "128"]),
    ("float", &["4", "8", "16", "32", "64"]),
    ("hs", &["256", "384", "512"]),
    ("http", &[]),
    ("i", &["8", "16", "32", "64", "128"]),
    ("int", &["2", "4", "8", "16", "32", "64", "128"]),
    ("ipv", &["4", "6"]),
    ("iso", &["8601"]),
    ("latin", &["1"]),
    ("md", &["4", "5"]),
    ("oauth", &["1", "2"]),
    ("ps", &["256", "384", "512"]),
    ("rfc", &["2822", "3339", "8288", "9535"]),
    ("rs", &["256", "384", "512"]),
    ("s", &["3"]),
    ("sha", &["1", "2", "3", "224", "256", "384", "512"]),
    ("u", &["8", "16", "32", "64", "128"]),
    ("uint", &["2", "4", "8", "16", "32", "64", "128"]),
    ("utf", &["7", "8", "16", "32"]),
    ("v", &[]),
    ("x", &["509"]),
];
/// Units written directly after a number.
const UNITS: &[&str] =
    &["ns", "us", "µs", "ms", "s", "min", "m", "h", "d", "B", "kB", "KB", "MB", "GB", "KiB", "MiB"];

/// A word without its values.
pub(super) struct Word {
    pub(super) text: String,
    pub(super) last: Last,
}

/// The last two names, in lower case: they determine what the next word means.
#[derive(Debug, Clone, Default)]
pub(super) struct Last {
    one: String,
    before: String,
}

impl Last {
    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        words.contains(&&*self.one)
    }

    fn push(&mut self, name: &str) {
        self.before = std::mem::replace(&mut self.one, name.to_lowercase());
    }
}

/// Normalises a word without white space. `after` is the text behind it, `last` the names before.
pub(super) fn word(word: &str, after: &str, mut last: Last) -> Word {
    if let Some((scheme, address)) = word.split_once("://") {
        let host = address.split(['/', '?', '#']).next().unwrap_or_default();
        let path = if host.len() < address.len() { "/<path>" } else { "" };
        let host = runs(host.trim_end_matches(':'), "", &mut last);
        let text = format!("{}://{host}{path}", runs(scheme, "", &mut last));
        // What follows an address is its status.
        last.push("http");
        return Word { text, last };
    }
    if word.starts_with("HTTP/") {
        last.push("http");
        return Word { text: "HTTP".to_owned(), last };
    }
    let (head, core, tail) = trimmed(word);
    let value = if is_path(core) {
        "<path>"
    } else if core.parse::<IpAddr>().is_ok() || core.parse::<SocketAddr>().is_ok() {
        "<ip>"
    } else if is_mail(core) {
        "<text>"
    } else {
        let text = runs(word, after, &mut last);
        return Word { text, last };
    };
    let text = format!("{}{value}{}", runs(head, "", &mut last), runs(tail, "", &mut last));
    Word { text, last: Last::default() }
}

/// Normalises a name, such as a field: only ids and numbers in it vary.
pub(super) fn name(name: &str) -> Word {
    let mut last = Last::default();
    Word { text: runs(name, "", &mut last), last }
}

/// Splits a word into punctuation, core, and punctuation.
fn trimmed(word: &str) -> (&str, &str, &str) {
    let punctuation = |c: char| c.is_ascii_punctuation() && !matches!(c, '/' | '_' | '<' | '>');
    let (head, rest) = split(word, punctuation);
    let core = rest.trim_end_matches(punctuation);
    (head, core, rest.strip_prefix(core).unwrap_or_default())
}

/// Whether it is a path; `and/or` and `text/html` are not.
pub(super) fn is_path(word: &str) -> bool {
    let slashes = word.matches('/').count();
    let (_, last) = word.rsplit_once('/').unwrap_or_default();
    (word.starts_with('/') && word.len() > 1) || slashes > 1 || (slashes == 1 && last.contains('.'))
}

fn is_mail(word: &str) -> bool {
    word.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.'))
}

/// Removes the numbers and ids from a word.
fn runs(word: &str, after: &str, last: &mut Last) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        if !first.is_alphanumeric() {
            text.push(first);
            rest = rest.strip_prefix(first).unwrap_or_default();
            continue;
        }
        if let Some(behind) = uuid(rest) {
            text.push_str("<id>");
            rest = behind;
            continue;
        }
        let (run, behind) = split(rest, char::is_alphanumeric);
        if is_code(run, (behind, after), last) {
            text.push_str(run);
            rest = behind;
        } else if let Some(behind) = number(rest) {
            text.push_str("<n>");
            *last = Last::default();
            rest = behind;
        } else {
            text.push_str(&without_values(run));
            last.push(run);
            rest = behind;
        }
    }
    text
}

/// The rest after a UUID at the beginning of a text.
fn uuid(text: &str) -> Option<&str> {
    let (found, behind) = text.split_at_checked(36)?;
    let is_uuid = found.bytes().enumerate().all(|(place, byte)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (is_uuid && !behind.starts_with(char::is_alphanumeric)).then_some(behind)
}

/// The rest after a number with its unit at the beginning of a text; `None` if letters or digits
/// follow.
fn number(text: &str) -> Option<&str> {
    let digits = |text: &'_ str| text.starts_with(char::is_numeric);
    let mut rest = text.trim_start_matches(char::is_numeric);
    if rest.len() == text.len() {
        return None;
    }
    while let Some(behind) = rest.strip_prefix(['.', ',']).filter(|behind| digits(behind)) {
        rest = behind.trim_start_matches(char::is_numeric);
    }
    let (unit, behind) = split(rest, char::is_alphanumeric);
    (unit.is_empty() || UNITS.contains(&unit)).then_some(behind)
}

/// Whether this is a status, an SQLSTATE or another number that identifies the error.
fn is_code(run: &str, (behind, after): (&str, &str), last: &Last) -> bool {
    let is_number = run.bytes().all(|byte| byte.is_ascii_digit());
    let is_status = is_number && run.len() == 3 && run.starts_with(['1', '2', '3', '4', '5']);
    let is_state = run.len() == 5
        && run.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    let ends = if behind.is_empty() {
        let next = after.trim_start();
        next.is_empty() || next.starts_with(char::is_uppercase)
    } else {
        behind.starts_with([':', ',', ';', ')', '.'])
    };
    let of_system = match (&*last.before, &*last.one) {
        ("os", "error") | ("exit" | "error" | "result", "code") | ("exit", "status") => true,
        (_, before) => matches!(before, "errno" | "signal"),
    };
    (is_status && last.is_one_of(BEFORE_STATUS))
        || (is_status && ends && last.is_one_of(BEFORE_STATUS_OR_COUNT))
        || (is_state && last.is_one_of(&["sqlstate", "code"]))
        || (is_number && run.len() <= CODE && of_system)
}

/// A run of letters and digits as a name, an id, or a name with a number.
fn without_values(run: &str) -> String {
    let length = run.chars().count();
    let is_hex = run.chars().all(|c| c.is_ascii_hexdigit());
    let changes = run.chars().zip(run.chars().skip(1));
    let changes = changes.filter(|(a, b)| a.is_numeric() != b.is_numeric()).count();
    let (letters, digits) = split(run, |c| !c.is_numeric());
    match changes {
        0 if (is_hex && length > NAME) || is_mixed(run) => "<id>".to_owned(),
        0 => run.to_owned(),
        1 if is_numbered(letters, digits) => run.to_owned(),
        1 if is_hex && length > NAME => "<id>".to_owned(),
        1 if !letters.is_empty() && !is_mixed(letters) => format!("{letters}<n>"),
        1 if length <= NAME => format!("<n>{}", run.trim_start_matches(char::is_numeric)),
        _ => "<id>".to_owned(),
    }
}

/// Whether its capitals look random.
fn is_mixed(run: &str) -> bool {
    let pairs = run.chars().zip(run.chars().skip(1));
    let humps = pairs.filter(|(a, b)| a.is_lowercase() && b.is_uppercase()).count();
    humps > 2 && run.chars().count() < humps * 5
}

/// Whether the number belongs to the name: `i64`, `sha256`.
fn is_numbered(letters: &str, digits: &str) -> bool {
    let letters = letters.to_ascii_lowercase();
    NUMBERED.iter().any(|(name, numbers)| {
        *name == letters
            && if numbers.is_empty() { digits.len() == 1 } else { numbers.contains(&digits) }
    })
}
