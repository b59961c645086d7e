//! Passwords that everybody guesses first.
//!
//! A list of whole passwords would be long and always too short. What users choose who have to
//! reach a length is a common word, repeated or with figures and signs around it, or a run along
//! the alphabet or the keyboard: that is what is looked for.

/// What such passwords are made of, in lower case and without figures.
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
/// Rows of keyboards, the alphabet and the figures: runs along them are no secret.
const RUNS: [&str; 7] = [
    "abcdefghijklmnopqrstuvwxyz",
    "012345678901234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
];
/// The longest piece of which a password can be made by repeating it.
const LONGEST_PIECE: usize = 6;
/// The shortest run that counts as one.
const SHORTEST_RUN: usize = 3;

/// Whether a password is among those that are guessed first.
pub(super) fn is_guessable(password: &str) -> bool {
    let lower = password.trim().to_lowercase();
    // What is put behind a word stands for no letters.
    let word = lower.trim_matches(|character: char| !character.is_alphabetic());
    let plain: String = word.chars().map(plain).collect();
    repeats(&lower)
        || is_runs(&lower)
        || is_of_common(&letters(&lower))
        || is_of_common(&letters(&plain))
}

/// The letter that a figure or a sign is written for.
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

/// Its letters alone.
fn letters(text: &str) -> String {
    text.chars().filter(|character| character.is_alphabetic()).collect()
}

/// Whether it is nothing but common words, one after the other.
fn is_of_common(letters: &str) -> bool {
    // From which places on the rest is made of common words, beginning at the end.
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

/// Whether it is one short piece over and over.
fn repeats(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    (1..=LONGEST_PIECE).any(|length| {
        characters.len() > length
            && characters.iter().zip(characters.iter().skip(length)).all(|(a, b)| a == b)
    })
}

/// Whether it is nothing but runs along a row, forwards or backwards.
fn is_runs(text: &str) -> bool {
    let rows: Vec<Vec<char>> =
        RUNS.iter().flat_map(|row| [row.chars().collect(), row.chars().rev().collect()]).collect();
    let characters: Vec<char> = text.chars().collect();
    let mut rest = &characters[..];
    while !rest.is_empty() {
        let longest = rows.iter().map(|row| along(rest, row)).max().unwrap_or(0);
        if longest < SHORTEST_RUN {
            return false;
        }
        rest = rest.get(longest..).unwrap_or_default();
    }
    true
}

/// How many of the first characters follow each other in a row.
fn along(text: &[char], row: &[char]) -> usize {
    let common = |start: &[char]| text.iter().zip(start).take_while(|(a, b)| a == b).count();
    (0..row.len()).filter_map(|at| row.get(at..)).map(common).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_guesses_first_is_known_and_what_is_a_secret_is_not() {
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
    fn the_list_is_in_order() {
        assert!(COMMON.is_sorted());
    }
}
