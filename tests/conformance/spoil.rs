//! Small changes to texts, which leave their form as it is.

/// Changes the letter or digit that is nearest to the middle.
pub(crate) fn spoil(text: &str) -> String {
    let middle = text.len() / 2;
    let at = letters(text).min_by_key(|(at, _)| at.abs_diff(middle));
    replaced(text, at)
}

/// Changes the last digit, or else the last letter: a time stays a time, of the same minute.
pub(crate) fn nudge(text: &str) -> String {
    let digit = letters(text).filter(|(_, letter)| letter.is_ascii_digit()).last();
    replaced(text, digit.or_else(|| letters(text).last()))
}

fn letters(text: &str) -> impl Iterator<Item = (usize, char)> {
    text.char_indices().filter(|(_, letter)| letter.is_ascii_alphanumeric())
}

fn replaced(text: &str, at: Option<(usize, char)>) -> String {
    match at {
        Some((at, letter)) => format!("{}{}{}", &text[..at], next(letter), &text[at + 1..]),
        None => format!("{text}x"),
    }
}

/// Another letter of its kind: hexadecimal stays hexadecimal.
fn next(letter: char) -> char {
    match letter {
        '9' => '0',
        'f' => 'a',
        'F' => 'A',
        'z' => 'g',
        'Z' => 'G',
        other => char::from(other as u8 + 1),
    }
}
