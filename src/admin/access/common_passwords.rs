//! Detects passwords that are easy to guess.
//!
//! A list of whole passwords would be long and always incomplete. To reach a minimum length, users
//! choose a common word, repeated or surrounded by digits and signs, or a run along the alphabet or
//! the keyboard: those are detected.

/// Common words, in lower case and without digits.
const COMMON: [&str; 63] = [
    "abc",
    "access",
    "account",
    "admin",
    "administrator",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "azerty",
    "baseball",
    "batman",
    "changeme",
    "charlie",
    "company",
    "computer",
    "default",
    "demo",
    "dragon",
    "ever",
    "flower",
    "football",
    "freedom",
    "guest",
    "hello",
    "iloveyou",
    "internet",
    "jesus",
    "letmein",
    "login",
    "lovely",
    "manager",
    "master",
    "michael",
    "monkey",
    "mustang",
    "operator",
    "pass",
    "passphrase",
    "password",
    "please",
    "princess",
    "qazwsx",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "root",
    "sealpost",
    "secret",
    "security",
    "server",
    "shadow",
    "starwars",
    "summer",
    "sunshine",
    "superman",
    "support",
    "system",
    "temp",
    "test",
    "trustno",
    "user",
    "welcome",
    "whatever",
];
/// The alphabet, the digits and the rows of keyboards.
const RUNS: [&str; 7] = [
    "abcdefghijklmnopqrstuvwxyz",
    "012345678901234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
];
/// The maximum length of a repeated piece.
const MAX_PIECE: usize = 6;
/// The minimum length of a run.
const MIN_RUN: usize = 3;

/// Whether a password is easy to guess.
pub(super) fn is_guessable(password: &str) -> bool {
    let lower = password.trim().to_lowercase();
    // Trailing and leading digits and signs do not replace letters.
    let word = lower.trim_matches(|character: char| !character.is_alphabetic());
    let plain: String = word.chars().map(plain).collect();
    repeats(&lower)
        || is_runs(&lower)
        || is_of_common(&letters(&lower))
        || is_of_common(&letters(&plain))
}

/// The letter that a digit or sign commonly replaces.
fn plain(character: char) -> char {
    match character {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '\u{20ac}' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        other => other,
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|character| character.is_alphabetic()).collect()
}

/// Whether it consists of common words only.
fn is_of_common(letters: &str) -> bool {
    // Whether the rest from each position consists of common words, computed from the end.
    let mut good = vec![false; letters.len() + 1];
    if let Some(end) = good.last_mut() {
        *end = true;
    }
    for start in (0..letters.len()).rev() {
        let Some(rest) = letters.get(start..) else { continue };
        let fits = |word: &&str| {
            rest.starts_with(*word) && good.get(start + word.len()).copied().unwrap_or(false)
        };
        let is_good = COMMON.iter().any(fits);
        if let Some(place) = good.get_mut(start) {
            *place = is_good;
        }
    }
    !letters.is_empty() && good.first().copied().unwrap_or(false)
}

/// Whether it is one short piece repeated.
fn repeats(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    (1..=MAX_PIECE).any(|length| {
        characters.len() > length
            && characters.iter().zip(characters.iter().skip(length)).all(|(a, b)| a == b)
    })
}

/// Whether it consists of runs along a row, forwards or backwards.
fn is_runs(text: &str) -> bool {
    let rows: Vec<Vec<char>> =
        RUNS.iter().flat_map(|row| [row.chars().collect(), row.chars().rev().collect()]).collect();
    let characters: Vec<char> = text.chars().collect();
    let mut rest = &characters[..];
    while !rest.is_empty() {
        let longest = rows.iter().map(|row| run_length(rest, row)).max().unwrap_or(0);
        if longest < MIN_RUN {
            return false;
        }
        rest = rest.get(longest..).unwrap_or_default();
    }
    true
}

/// The number of leading characters that follow each other in a row.
fn run_length(text: &[char], row: &[char]) -> usize {
    let common = |start: &[char]| text.iter().zip(start).take_while(|(a, b)| a == b).count();
    (0..row.len()).filter_map(|at| row.get(at..)).map(common).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessable_passwords_are_detected_and_others_are_not() {
        for guessable in [
            "password1234",
            "Password123!",
            "P@ssw0rd2026!",
            "passwordpassword",
            "123456789012",
            "1234567890123456",
            "qwertyuiop12",
            "qwertyuiop123456",
            "1qaz2wsx3edc",
            "abcdefghijkl",
            "abcabcabcabc",
            "aaaaaaaaaaaa",
            "administrator",
            "letmeinplease",
            "iloveyou1234",
            "Welcome2026!!",
            "changeme1234",
            "admin1234567",
            "Sealpost2026",
            "098765432109",
            "asdfghjkl123",
            "secretsecret",
        ] {
            assert!(is_guessable(guessable), "{guessable}");
        }
        for secret in [
            "correct horse battery",
            "twelve chars",
            "tr0ub4dor&3 in the rain",
            "pässwörter sind lang",
            "7fQ2xLr9vBn4",
            "my password is long",
            "\u{4e00}\u{4e8c}\u{4e09}\u{56db}\u{4e94}\u{516d}\u{4e03}\u{516b}\u{4e5d}\u{5341}\u{767e}\u{5343}",
        ] {
            assert!(!is_guessable(secret), "{secret}");
        }
    }

    #[test]
    fn common_words_are_sorted() {
        assert!(COMMON.is_sorted());
    }
}
