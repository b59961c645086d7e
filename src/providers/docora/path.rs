//! Paths of files in a repository. Whoever can push to the repository chooses them, and they
//! arrive well signed.

/// The longest path, in bytes.
const MAX_BYTES: usize = 1024;
/// The longest name between two slashes, in bytes: what file systems take.
const MAX_SEGMENT_BYTES: usize = 255;
/// The most names in one path.
const MAX_SEGMENTS: usize = 64;

/// Checks that `path` is relative, stays inside, and holds no character that another reader could
/// take for a separator or that a person cannot see. It is never decoded afterwards.
///
/// # Errors
/// What is wrong, without the path itself.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("the path is empty");
    }
    if path.len() > MAX_BYTES {
        return Err("the path is longer than 1024 bytes");
    }
    if path.chars().any(is_invisible) {
        return Err("the path holds a control, bidirectional or zero-width character");
    }
    if path.chars().any(|c| matches!(c, '\\' | '\u{ff0f}' | '\u{ff3c}' | '\u{fe68}')) {
        return Err("the path holds a backslash or a look-alike of a slash");
    }
    if hides_a_separator(path) {
        return Err("the path holds a percent-encoded dot, slash, backslash or control character");
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
        // Full-width and leader dots become plain dots under compatibility normalisation.
        if segment.chars().all(|c| matches!(c, '.' | '\u{ff0e}' | '\u{2024}' | '\u{2025}')) {
            return Err("a segment of the path is nothing but dots");
        }
    }
    Ok(())
}

/// The name of the file, without its folders.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of the file; empty for the root.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The file name without its extension, and the extension in lower case, if there is one.
pub(super) fn stem_and_extension(path: &str) -> (&str, Option<String>) {
    match file_name(path).rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, Some(extension.to_ascii_lowercase())),
        _ => (file_name(path), None),
    }
}

/// Whether the file is about the repository rather than of it: a read-me, a licence, or anything
/// in a folder of tools. Such a file is never a card.
pub(super) fn is_about_the_repository(path: &str) -> bool {
    let name = file_name(path);
    let about = ["readme.md", "license", "license.md"];
    let mut folders = path.split('/').rev().skip(1);
    about.iter().any(|about| name.eq_ignore_ascii_case(about))
        || folders.any(|folder| matches!(folder, ".git" | ".github" | "node_modules"))
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Bidirectional marks, embeddings, overrides and isolates.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Zero-width spaces and joiners, invisible operators, byte order mark, tags.
            | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}')
}

/// Whether decoding percent escapes, however often, would bring out a dot, a slash, a backslash
/// or a control character; `c0` and `c1` only ever stand in over-long spellings of those.
fn hides_a_separator(path: &str) -> bool {
    path.split('%').skip(1).any(|escape| {
        let innermost = escape.trim_start_matches("25");
        let mut byte = [0];
        let digits = innermost.as_bytes().get(..2).unwrap_or_default();
        hex::decode_to_slice(digits, &mut byte).is_ok()
            && matches!(byte, [0..=0x1f | b'.' | b'/' | b'\\' | 0x7f | 0xc0 | 0xc1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_of_any_script_pass() {
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
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(&["a"; 64].join("/")), Ok(()));
        assert_eq!(check(&"a".repeat(255)), Ok(()));
    }

    #[test]
    fn a_path_that_climbs_out_or_hides_something_is_refused() {
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
            "a／x",
            "%2e%2e%2fx",
            "%2E%2E/x",
            "a%2fx",
            "a%5Cx",
            "%252e%252e%252fx",
            "%25252fx",
            "a%00.md",
            "a%0ax",
            "%c0%afx",
            "a\0b",
            "a\nb",
            "a\u{7f}b",
            "a\u{85}b",
            "gnp.\u{202e}exe",
            "a\u{200b}b",
            "a\u{feff}b",
            "a\u{2028}b",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(check(&"a".repeat(256)).is_err());
        assert!(check(&["a"; 65].join("/")).is_err());
        assert!(check(&["a".repeat(200).as_str(); 6].join("/")).is_err());
    }

    #[test]
    fn names_and_extensions_are_told_apart() {
        assert_eq!(stem_and_extension("a/b.c.MD"), ("b.c", Some("md".into())));
        assert_eq!(stem_and_extension("a.b/c"), ("c", None));
        assert_eq!(stem_and_extension(".gitignore"), (".gitignore", None));
    }

    #[test]
    fn read_mes_licences_and_tool_folders_are_about_the_repository() {
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
