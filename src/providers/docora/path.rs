//! File paths in a repository. Anyone who can push to the repository chooses them, so a valid
//! signature does not make them trustworthy.

/// The maximum length of a path, in bytes.
const MAX_BYTES: usize = 1024;
/// The maximum length of a segment, in bytes: the limit of file systems.
const MAX_SEGMENT_BYTES: usize = 255;
/// The maximum number of segments.
const MAX_SEGMENTS: usize = 64;

/// Checks that `path` is relative and stays inside the repository, even for a reader that decodes
/// percent escapes, takes look-alike characters for separators, or drops invisible characters. Any
/// other name is accepted, however unusual: the sender records a file as delivered and never sends
/// it again, so a name is rejected only if it could do harm. Paths are never decoded afterwards.
///
/// # Errors
/// The problem, without the path itself.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("the path is empty");
    }
    if path.len() > MAX_BYTES {
        return Err("the path is longer than 1024 bytes");
    }
    if path.chars().any(is_line_breaking) {
        return Err("the path contains a control character or a line break");
    }
    if path.chars().any(is_bidi_control) {
        return Err("the path contains a bidirectional control character");
    }
    if path.split('/').count() > MAX_SEGMENTS {
        return Err("the path has more than 64 segments");
    }
    for segment in path.split('/') {
        if segment.is_empty() {
            return Err("the path is absolute or has an empty segment");
        }
        if segment.len() > MAX_SEGMENT_BYTES {
            return Err("a segment of the path is longer than 255 bytes");
        }
    }
    let worst = worst_reading(path)?;
    if worst.starts_with('/') {
        return Err("the path can be interpreted as absolute");
    }
    if worst.split('/').any(|segment| segment.chars().all(|c| c == '.')) {
        return Err("a segment of the path can be interpreted as only dots");
    }
    Ok(())
}

/// The path as the most careless reader would interpret it: percent escapes decoded at any depth,
/// look-alikes of dots and slashes replaced, and invisible characters removed.
fn worst_reading(path: &str) -> Result<String, &'static str> {
    const HIDDEN: Result<String, &str> =
        Err("the path contains a percent-encoded control character or an over-long escape");
    let mut worst = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let (read, length) = match c {
            '%' => match escape(rest) {
                Some((0..=0x1f | 0x7f | 0xc0 | 0xc1, _)) => return HIDDEN,
                Some((byte, length)) if byte.is_ascii() => (char::from(byte), length),
                // Outside ASCII nothing is a separator, so any letter can stand for it.
                Some((_, length)) => ('_', length),
                None => (c, 1),
            },
            _ => (c, c.len_utf8()),
        };
        match read {
            '/' | '\\' | '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{fe68}' | '\u{ff0f}'
            | '\u{ff3c}' => {
                if !worst.ends_with('/') {
                    worst.push('/');
                }
            }
            // Compatibility normalisation turns these into plain dots.
            '.' | '\u{ff0e}' | '\u{fe52}' | '\u{2024}' => worst.push('.'),
            '\u{2025}' => worst.push_str(".."),
            _ if is_ignorable(read) => {}
            _ => worst.push(read),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    if let Some(shorter) = worst.strip_suffix('/') {
        worst.truncate(shorter.len());
    }
    Ok(worst)
}

/// The byte of the escape at the beginning of `text`, and the escape's length. The percent sign may
/// itself be encoded any number of times: `%25252e` is also a dot.
fn escape(text: &str) -> Option<(u8, usize)> {
    let escaped = text.strip_prefix('%')?;
    let innermost = escaped.trim_start_matches("25");
    let mut byte = [0];
    hex::decode_to_slice(innermost.as_bytes().get(..2)?, &mut byte).ok()?;
    let [byte] = byte;
    Some((byte, 1 + escaped.len() - innermost.len() + 2))
}

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of the file; empty for the root.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The file name without its extension, and the extension in lower case, if any.
pub(super) fn stem_and_extension(path: &str) -> (&str, Option<String>) {
    match file_name(path).rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, Some(extension.to_ascii_lowercase())),
        _ => (file_name(path), None),
    }
}

/// Whether the file is about the repository rather than part of its content: a README, a licence,
/// or anything in a tool folder. Such a file is never a card.
pub(super) fn is_about_the_repository(path: &str) -> bool {
    let name = file_name(path);
    let about = ["readme.md", "license", "license.md"];
    let mut folders = path.split('/').rev().skip(1);
    about.iter().any(|about| name.eq_ignore_ascii_case(about))
        || folders.any(|folder| matches!(folder, ".git" | ".github" | "node_modules"))
}

/// Control characters, and line or paragraph separators.
fn is_line_breaking(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Bidirectional embeddings, overrides and isolates, and interlinear annotations: they can display
/// `gnp.exe` as `exe.png`. Plain direction marks cannot.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}')
}

/// Characters that many readers drop: joiners and zero-width spaces, which Persian, Hindi and Khmer
/// use between letters, direction marks, and the variation selectors and tags of emoji.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_in_any_script_are_accepted() {
        for good in [
            "a.md",
            "cards/squat.md",
            "cards/Übung für Anfänger.md",
            "カード/スクワット 🏋️.md",
            ".github/workflows/ci.yml",
            "100% sure.md",
            "100%25 sure, 5%1.md",
            "a..b/c.md",
            "…/x.md",
            "CON",
            "a.png:stream",
            "trailing. /b",
            "می\u{200c}خواهم.md",
            "क्\u{200d}ष.md",
            "family 👨\u{200d}👩\u{200d}👧.md",
            "flag 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}.md",
            "heart ❤\u{fe0f}.md",
            "ខ្មែរ\u{200b}អក្សរ.md",
            "\u{200e}שלום.md",
            "back\\slash.md",
            "a／b.md",
            "q%2Ea.md",
            "a%2fb.md",
            "a%5Cb.md",
            "caf%C3%A9.md",
            "...md",
            ".hidden",
            "soft\u{ad}hyphen.md",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(&["a"; 64].join("/")), Ok(()));
        assert_eq!(check(&"a".repeat(255)), Ok(()));
    }

    #[test]
    fn traversal_and_hidden_characters_are_rejected() {
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../x",
            "a/./x",
            "a//x",
            "a/",
            "..",
            "．．/x",
            "‥/x",
            "a\\..\\x",
            "a/..\u{200d}/x",
            ".\u{200b}./x",
            "\u{200d}",
            "a／..／x",
            "..∕x",
            "\\server\\share",
            "／etc/passwd",
            "%2fetc/passwd",
            "%25252fx",
            "%2e%2e%2fx",
            "%2E%2E/x",
            "%2e./x",
            "a%2f..%2fx",
            "a%5C%2e%2e%5Cx",
            "%252e%252e%252fx",
            "a/%2e",
            "a%00.md",
            "a%2500.md",
            "a%0ax",
            "%c0%afx",
            "a\0b",
            "a\nb",
            "a\r\nb",
            "a\tb",
            "a\u{7f}b",
            "a\u{85}b",
            "gnp.\u{202e}exe",
            "a\u{2066}b",
            "a\u{2028}b",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lengths_are_limited() {
        assert!(check(&"a".repeat(256)).is_err());
        assert!(check(&["a"; 65].join("/")).is_err());
        assert!(check(&["a".repeat(200).as_str(); 6].join("/")).is_err());
    }

    #[test]
    fn names_and_extensions_are_split() {
        assert_eq!(stem_and_extension("a/b.c.MD"), ("b.c", Some("md".into())));
        assert_eq!(stem_and_extension("a.b/c"), ("c", None));
        assert_eq!(stem_and_extension(".gitignore"), (".gitignore", None));
    }

    #[test]
    fn readme_licence_and_tool_folders_are_about_the_repository() {
        for about in
            ["README.md", "docs/readme.md", "LICENSE", ".github/x.md", "a/node_modules/b.md"]
        {
            assert!(is_about_the_repository(about), "{about}");
        }
        for card in ["cards/readme-first.md", "github/x.md", "node_modules.md"] {
            assert!(!is_about_the_repository(card), "{card}");
        }
    }
}
