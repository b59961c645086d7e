//! The texts that users read are in plain English.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use serde_json::Value;

use crate::cli::Program;

/// Phrases that are not in these texts. In lower case; they match whole words.
const BANNED: &[&str] = &[
    "are told",
    "becomes of",
    "became of",
    "by and by",
    "dealt with",
    "held back",
    "held requests",
    "hold back",
    "holds back",
    "in the way of",
    "is good no longer",
    "is no",
    "is none",
    "is not good",
    "is told",
    "left aside",
    "let go on",
    "let in",
    "lets go on",
    "lets in",
    "names itself",
    "nobody is told",
    "put aside",
    "say so",
    "seen before",
    "stand-in",
    "tell people",
    "tells people",
    "to whoever",
    "was so already",
    "what became",
    "what becomes",
    "what came in",
    "what comes in",
    "what it comes to",
    "what waits",
    "who are you",
    "who may",
];

/// Good English that contains a banned phrase.
const ALLOWED: &[&str] =
    &["is no longer", "is no more than", "is no need", "there is no", "is no different"];

/// A banned phrase in a text, with its surroundings.
fn banned(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut text = format!(" {} ", words.join(" ").to_lowercase());
    for allowed in ALLOWED {
        text = text.replace(allowed, "");
    }
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let mut found = Vec::new();
    for phrase in BANNED {
        for (at, _) in text.match_indices(phrase) {
            let (before, after) = (&text[..at], &text[at + phrase.len()..]);
            if is_word(before.chars().next_back()) || is_word(after.chars().next()) {
                continue;
            }
            let start: String = before.chars().rev().take(40).collect();
            let start: String = start.chars().rev().collect();
            let end: String = after.chars().take(40).collect();
            found.push(format!("`{phrase}` in \u{2026}{start}{phrase}{end}\u{2026}"));
        }
    }
    found
}

fn check(name: &str, text: &str, wrong: &mut Vec<String>) {
    wrong.extend(banned(text).into_iter().map(|found| format!("{name}: {found}")));
}

fn assert_plain(texts: impl IntoIterator<Item = (String, String)>, least: usize) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, text) in texts {
        count += 1;
        check(&name, &text, &mut wrong);
    }
    assert!(count >= least, "only {count} texts were found");
    assert!(wrong.is_empty(), "{} banned phrases:\n{}", wrong.len(), wrong.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files in a directory whose name ends so.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(directory)).expect("the directory exists");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn read(path: &Path) -> (String, String) {
    let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    (name, std::fs::read_to_string(path).expect("a readable file"))
}

/// The help of a command and of its subcommands.
fn helps(command: &clap::Command, name: &str, found: &mut Vec<(String, String)>) {
    let mut rendered = command.clone();
    found.push((format!("help of `{name}`"), rendered.render_long_help().to_string()));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        helps(below, &format!("{name} {}", below.get_name()), found);
    }
}

/// The string literals of a Rust source file, without its comments.
fn literals(source: &str) -> Vec<String> {
    let characters: Vec<char> = source.chars().collect();
    let at = |place: usize| characters.get(place).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let mut place = 0;
    while place < characters.len() {
        match (at(place), at(place + 1)) {
            ('/', '/') => {
                while place < characters.len() && at(place) != '\n' {
                    place += 1;
                }
            }
            // A character: `'"'`, `'\''`. Anything else is a lifetime.
            ('\'', '\\') => {
                place += 3;
                while place < characters.len() && at(place) != '\'' {
                    place += 1;
                }
                place += 1;
            }
            ('\'', _) if at(place + 2) == '\'' => place += 3,
            ('r', '"' | '#') if !(place > 0 && at(place - 1).is_alphanumeric()) => {
                let after = characters.get(place + 1..).unwrap_or_default();
                let hashes = after.iter().take_while(|one| **one == '#').count();
                place += 1 + hashes;
                if at(place) != '"' {
                    continue;
                }
                let end: String = format!("\"{}", "#".repeat(hashes));
                let rest: String = characters[place + 1..].iter().collect();
                let literal = rest.split(&end).next().unwrap_or_default().to_owned();
                place += 1 + literal.chars().count() + end.chars().count();
                found.push(literal);
            }
            ('"', _) => {
                let mut literal = String::new();
                place += 1;
                while place < characters.len() && at(place) != '"' {
                    if at(place) == '\\' {
                        // An escape, or a line continuation.
                        literal.push(if at(place + 1) == '\n' { ' ' } else { at(place + 1) });
                        place += 1;
                    } else {
                        literal.push(at(place));
                    }
                    place += 1;
                }
                place += 1;
                found.push(literal);
            }
            _ => place += 1,
        }
    }
    found
}

/// Every text of this kind in a JSON document, with its path.
fn described(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = format!("{path}/{key}");
                match (key.as_str(), value) {
                    ("title" | "summary" | "description" | "detail", Value::String(text)) => {
                        found.push((path, text.clone()));
                    }
                    _ => described(value, &path, found),
                }
            }
        }
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                described(value, &format!("{path}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn help_texts_are_plain() {
    let mut command = sealpost::cli::Cli::command();
    command.build();
    let mut texts = Vec::new();
    helps(&command, "sealpost", &mut texts);
    // The program lists its commands in groups.
    texts.push(("sealpost --help".to_owned(), Program::new("").run(&["--help"]).stdout));
    assert_plain(texts, 60);
}

#[test]
fn api_descriptions_are_plain() {
    let (_, text) = read(&root().join("docs/openapi.json"));
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut texts = Vec::new();
    described(&document, "docs/openapi.json ", &mut texts);
    assert_plain(texts, 100);
}

#[test]
fn documentation_is_plain() {
    let mut paths = files("docs", ".md");
    paths.push(root().join("README.md"));
    assert_plain(paths.iter().map(|path| read(path)), 5);
}

#[test]
fn console_texts_are_plain() {
    let folders = ["", "/access", "/events", "/jobs", "/overview", "/parts"];
    let paths = folders.iter().flat_map(|below| files(&format!("src/web/console{below}"), ".rs"));
    let texts = paths.map(|path| read(&path));
    assert_plain(texts.map(|(name, source)| (name, literals(&source).join("\n. "))), 10);
}

#[test]
fn banned_phrases_are_found() {
    assert_eq!(banned("the id is none, and Is  No\nnumber").len(), 2);
    let plain = "There is no undo; it is no longer used. Outlet in use, is nonempty";
    assert_eq!(banned(plain), [""; 0]);
    let source = "// \"is none\"\nfn a<'a>() { b('\"', \"one \\\n  two\", r#\"thr\"ee\"#) }";
    assert_eq!(literals(source), ["one    two", "thr\"ee"]);
}
