//! Ignore rules: `.lumioignore`, in gitignore syntax.
//!
//! A rules file applies to its folder and below, a deeper file takes precedence, and a file in an
//! ignored folder cannot be re-included, as with git. Anyone who can push to the repository writes
//! them, so their number and length are limited; an invalid line is skipped.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::path;

/// The name of a rules file.
const FILE_NAME: &str = ".lumioignore";
/// The maximum size that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The maximum number of rules in a file.
const MAX_RULES: usize = 250;
/// The maximum length of a rule, in bytes.
const MAX_RULE: usize = 1024;
/// The maximum number of `*` between two slashes of a rule: matching many of them is slow.
const MAX_STARS: usize = 3;
/// The maximum number of rules files in a repository: those nearest to its root apply.
const MAX_FILES: usize = 32;
/// The maximum number of skipped lines that are reported.
const MAX_SKIPPED: usize = 20;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// The valid lines.
    pub(super) lines: String,
    /// The skipped lines, each with its number and the reason.
    pub(super) skipped: Vec<String>,
}

impl Rules {
    pub(super) fn read(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Self { lines: String::new(), skipped: Vec::new() };
        let mut count = 0;
        let end = text.floor_char_boundary(MAX_BYTES);
        let read = text.get(..end).unwrap_or_default();
        for (number, line) in read.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let why = if count == MAX_RULES {
                Some(format!("there are more than {MAX_RULES} rules"))
            } else if line.len() > MAX_RULE {
                Some(format!("longer than {MAX_RULE} bytes"))
            } else {
                unreadable(line)
            };
            match why {
                None => {
                    count += 1;
                    rules.lines.push_str(line);
                    rules.lines.push('\n');
                }
                Some(why) => rules.skip(number + 1, &why),
            }
        }
        if end < text.len() {
            rules.skip(read.lines().count(), &format!("only the first {MAX_BYTES} bytes are read"));
        }
        rules
    }

    fn skip(&mut self, line: usize, why: &str) {
        if self.skipped.len() < MAX_SKIPPED {
            let why = why.get(..why.floor_char_boundary(MAX_RULE)).unwrap_or_default();
            self.skipped.push(format!("line {line}: {why}"));
        }
    }
}

/// The rules of a repository.
#[derive(Debug, Default)]
pub(super) struct RuleSet {
    /// The deepest folder first.
    folders: Vec<(String, Gitignore)>,
}

impl RuleSet {
    /// Combines the rules files of a repository, each with its folder (empty for the root). Only
    /// those that can affect the files at `paths` are compiled.
    pub(super) fn new(mut files: Vec<(String, String)>, paths: &[&str]) -> Self {
        files.sort_by_cached_key(|(folder, _)| (depth(folder), folder.clone()));
        files.truncate(MAX_FILES);
        files.retain(|(folder, _)| paths.iter().any(|path| is_below(folder, path)));
        let compiled = |(folder, lines): (String, String)| Some((folder, compile(&lines)?));
        Self { folders: files.into_iter().rev().filter_map(compiled).collect() }
    }

    pub(super) fn ignore(&self, path: &str) -> bool {
        let above: Vec<_> =
            self.folders.iter().filter(|(folder, _)| is_below(folder, path)).collect();
        let prefixes = path.match_indices('/').map(|(end, _)| (end, true));
        // From the top: an ignored folder decides for everything below it.
        prefixes.chain([(path.len(), false)]).any(|(end, is_folder)| {
            let Some(entry) = path.get(..end) else { return false };
            let verdicts = above.iter().filter_map(|(folder, rules)| {
                match rules.matched(strip_folder(folder, entry)?, is_folder) {
                    Match::None => None,
                    Match::Ignore(_) => Some(true),
                    Match::Whitelist(_) => Some(false),
                }
            });
            verdicts.take(1).any(|ignored| ignored)
        })
    }
}

pub(super) fn is_rules(path: &str) -> bool {
    path::file_name(path) == FILE_NAME
}

fn compile(lines: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for line in lines.lines() {
        // Invalid lines were skipped when the file was received.
        drop(builder.add_line(None, line));
    }
    builder.build().ok()
}

/// Why a line is not a valid rule.
fn unreadable(line: &str) -> Option<String> {
    if line.split('/').any(|part| part.matches('*').count() > MAX_STARS) {
        return Some(format!("more than {MAX_STARS} `*` between two slashes"));
    }
    let mut builder = GitignoreBuilder::new("");
    let error = builder.add_line(None, line).err().or_else(|| builder.build().err())?;
    Some(error.to_string().replace('\0', "\u{fffd}"))
}

fn depth(folder: &str) -> usize {
    if folder.is_empty() { 0 } else { folder.split('/').count() }
}

fn is_below(folder: &str, path: &str) -> bool {
    strip_folder(folder, path).is_some()
}

/// The rest of `path` below `folder`.
fn strip_folder<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(files: &[(&str, &str)], path: &str) -> bool {
        let read = |(folder, text): &(&str, &str)| ((*folder).to_owned(), Rules::read(text).lines);
        RuleSet::new(files.iter().map(read).collect(), &[path]).ignore(path)
    }

    #[test]
    fn rule_with_too_many_stars_is_skipped_with_a_reason() {
        let rules = Rules::read("*a*b*/**/*.md\n*a*a*a*a\n");
        assert_eq!(rules.lines, "*a*b*/**/*.md\n");
        assert_eq!(rules.skipped, ["line 2: more than 3 `*` between two slashes"]);
    }

    // Expected results from `git check-ignore` of git 2.47.
    #[test]
    fn rules_match_like_git() {
        for (rules, path, expected) in [
            ("*.md", "a.md", true),
            ("*.md", "cards/a.md", true),
            ("*.md", "a.mdx", false),
            ("/a.md", "a.md", true),
            ("/a.md", "cards/a.md", false),
            ("cards/a.md", "cards/a.md", true),
            ("cards/a.md", "x/cards/a.md", false),
            ("drafts/", "drafts/a.md", true),
            ("drafts/", "x/drafts/a.md", true),
            ("drafts/", "drafts", false),
            ("drafts", "drafts", true),
            ("**/drafts", "x/y/drafts/a.md", true),
            ("cards/**/a.md", "cards/a.md", true),
            ("cards/**/a.md", "cards/x/y/a.md", true),
            ("cards/*", "cards/x/a.md", true),
            ("cards/*.md", "cards/x/a.md", false),
            ("*.md\n!keep.md", "keep.md", false),
            ("*.md\n!keep.md", "x/keep.md", false),
            ("!keep.md\n*.md", "keep.md", true),
            ("drafts/\n!drafts/keep.md", "drafts/keep.md", true),
            ("drafts/*\n!drafts/keep.md", "drafts/keep.md", false),
            ("a?.md", "ab.md", true),
            ("a?.md", "a/.md", false),
            ("a[0-9].md", "a7.md", true),
            ("a[!0-9].md", "a7.md", false),
            ("# a.md", "# a.md", false),
            ("\\# a.md", "# a.md", true),
            ("\\!a.md", "!a.md", true),
            ("a.md   ", "a.md", true),
            ("a.md\\ ", "a.md ", true),
            ("A.md", "a.md", false),
            ("a.md\r\nb.md\r\n", "a.md", true),
            ("\u{feff}a.md", "a.md", true),
            ("", "a.md", false),
        ] {
            assert_eq!(ignored(&[("", rules)], path), expected, "{rules:?} {path}");
        }
    }

    #[test]
    fn deeper_rules_take_precedence_below_their_folder() {
        let files = [("", "*.md\nclosed/\n"), ("cards", "!*.md\n/x.md\n"), ("closed", "!*\n")];
        for (path, expected) in [
            ("a.md", true),
            ("cards/a.md", false),
            ("cards/deep/a.md", false),
            ("cards/x.md", true),
            ("cards/deep/x.md", false),
            ("cards-too/a.md", true),
            ("closed/a.png", true),
        ] {
            assert_eq!(ignored(&files, path), expected, "{path}");
        }
    }

    #[test]
    fn invalid_line_is_skipped_and_reported() {
        let rules = Rules::read(&format!("a[z-a].md\n*.png\n{}\n", "x".repeat(MAX_RULE + 1)));
        assert_eq!(rules.lines, "*.png\n");
        assert_eq!(rules.skipped.len(), 2);
        assert!(rules.skipped[0].starts_with("line 1: "), "{:?}", rules.skipped);
        assert_eq!(rules.skipped[1], "line 3: longer than 1024 bytes");
    }

    #[test]
    fn adversarial_rules_are_bounded() {
        let many = Rules::read(&"a*b*c*d\n".repeat(300));
        assert_eq!(many.lines.lines().count(), MAX_RULES);
        assert_eq!(many.skipped.len(), MAX_SKIPPED);
        let long = Rules::read(&"# a\n".repeat(1 << 18));
        assert_eq!((long.lines.as_str(), long.skipped.len()), ("", 1));
        let folder = |depth: usize| vec!["a"; depth].join("/");
        let files = (1..=64).map(|depth| (folder(depth), "b*\n".to_owned())).collect();
        let deepest = format!("{}/b", folder(64));
        let rules = RuleSet::new(files, &[&deepest, &format!("{}/b", folder(1))]);
        assert_eq!(rules.folders.len(), MAX_FILES);
        assert!(rules.ignore("a/b") && rules.ignore(&deepest) && !rules.ignore("b"));
    }
}
