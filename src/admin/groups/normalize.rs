//! Normalises an error text: removes what varies from one event to the next. Pure, and bounded.
//!
//! Values vary: numbers, ids, addresses, paths, quoted texts. Names do not: a field, a constraint,
//! a type, a status code or an SQLSTATE identifies the error, so those stay. Text in backticks is a
//! name unless the words before announce a value; text in other quotes is a value unless the words
//! around it announce a name.

mod words;

#[cfg(test)]
mod tests;

use words::{Last, Word, is_path, word};

/// The maximum length of a normalised text, in characters.
const MAX_KEY: usize = 300;
/// The maximum length of the text that is read, in characters.
const MAX_READ: usize = 2000;
/// The maximum length of a quoted name, in bytes.
const NAME: usize = 100;

/// Words before a value in backticks; some are what serde writes before the unexpected value.
const BEFORE_VALUES: &[&str] = &[
    "boolean",
    "character",
    "found",
    "got",
    "integer",
    "number",
    "point",
    "string",
    "value",
    "variant",
];
/// Words before a quoted name.
const BEFORE_NAMES: &[&str] = &[
    "attribute",
    "column",
    "constraint",
    "field",
    "function",
    "header",
    "index",
    "method",
    "option",
    "parameter",
    "property",
    "reading",
    "relation",
    "setting",
    "table",
    "type",
    "variable",
];
/// Words after a quoted name.
const AFTER_NAMES: &[&str] = &[" is required", " is a required", " is missing", " is not allowed"];

/// The first line of an error text, without the values in it.
///
/// ```
/// # use sealpost::admin::normalize;
/// let text = "card 17 of 'ada@example.org': /decks/intro.md is not there";
/// assert_eq!(normalize(text), "card <n> of <text>: <path> is not there");
/// let text = "destination responded 422: `title` is missing";
/// assert_eq!(normalize(text), text);
/// ```
pub fn normalize(text: &str) -> String {
    let bound = text.char_indices().nth(MAX_READ).map_or(text.len(), |(end, _)| end);
    let mut rest = text.get(..bound).unwrap_or_default().trim_start();
    let mut key = String::new();
    let mut length = 0;
    let mut last = Last::default();
    while let Some(first) = rest.chars().next() {
        let (piece, after) = match first {
            '\n' | '\r' => break,
            space if space.is_whitespace() => {
                let after = rest.trim_start_matches(|c: char| c.is_whitespace() && !is_end(c));
                (" ".to_owned(), after)
            }
            quote if is_quote(quote) => match quoted(rest, quote, &mut last, &key) {
                Some(found) => found,
                None => (quote.to_string(), rest.strip_prefix(quote).unwrap_or_default()),
            },
            _ => {
                let (found, after) = split(rest, |c| !c.is_whitespace() && !is_quote(c));
                let Word { text, last: next } = word(found, after, last);
                last = next;
                (text, after)
            }
        };
        length += piece.chars().count();
        if length > MAX_KEY {
            break;
        }
        key.push_str(&piece);
        rest = after;
    }
    key.trim().to_owned()
}

fn is_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '"' | '`')
}

/// Splits a text after the prefix for which `is` holds.
fn split(text: &str, is: impl Fn(char) -> bool) -> (&str, &str) {
    let rest = text.trim_start_matches(is);
    (text.strip_suffix(rest).unwrap_or_default(), rest)
}

/// The quoted text at the beginning of `text`, normalised, and the rest; `None` if the quote is an
/// apostrophe.
fn quoted<'a>(text: &'a str, quote: char, last: &mut Last, key: &str) -> Option<(String, &'a str)> {
    // As in `doesn't`.
    if quote == '\'' && key.ends_with(char::is_alphanumeric) {
        return None;
    }
    let inner = text.strip_prefix(quote)?;
    let Some((inside, after)) = ended(inner, quote) else {
        // Truncated within a value, perhaps by us. An apostrophe ends nothing.
        return (quote == '"').then(|| ("<text>".to_owned(), ""));
    };
    let is_name = if quote == '`' {
        !last.is_one_of(BEFORE_VALUES)
    } else {
        last.is_one_of(BEFORE_NAMES) || AFTER_NAMES.iter().any(|next| after.starts_with(next))
    };
    let piece = if is_name && may_be_name(inside) {
        let Word { text, last: next } = if is_file(inside) {
            Word { text: "<path>".to_owned(), last: Last::default() }
        } else {
            words::name(inside)
        };
        *last = next;
        format!("{quote}{text}{quote}")
    } else {
        *last = Last::default();
        "<text>".to_owned()
    };
    Some((piece, after))
}

/// The text before the closing quote, and the rest.
fn ended(inner: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (place, c) in inner.char_indices() {
        let closes = c == quote && !escaped;
        // An apostrophe within a text in single quotes.
        let after = inner.get(place + c.len_utf8()..)?;
        if closes && (quote != '\'' || !after.starts_with(char::is_alphanumeric)) {
            return Some((inner.get(..place)?, after));
        }
        if is_end(c) && quote != '"' {
            break;
        }
        escaped = c == '\\' && !escaped && quote != '`';
    }
    // Ruby quotes a name `so'.
    if quote == '`' {
        let (inside, after) = inner.split_once('\'')?;
        return may_be_name(inside).then_some((inside, after));
    }
    None
}

/// Whether it may be a name, a path of fields, or a type.
fn may_be_name(inside: &str) -> bool {
    (1..=NAME).contains(&inside.len())
        && inside.chars().all(|c| c.is_alphanumeric() || "_-./:$[]<>*#=".contains(c))
        && inside.contains(char::is_alphabetic)
}

/// Whether it is a file path, not a path of fields such as `/data/object`.
fn is_file(inside: &str) -> bool {
    let (_, last) = inside.rsplit_once('/').unwrap_or_default();
    is_path(inside) && (!inside.starts_with('/') || last.contains('.'))
}
