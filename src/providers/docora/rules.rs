//! Ignore rules: `.lumioignore`, in the syntax of gitignore.
//!
//! A file of rules counts in its folder and below, the deeper one before the higher one, and a
//! file in an ignored folder cannot be taken back, as with git. Whoever can push to the repository
//! writes them, so their number and length are bounded; a line that cannot be read costs only
//! itself.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::path;

/// The name of a file of rules.
const FILE_NAME: &str = ".lumioignore";
/// The most that is read of one, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The most rules in one.
const MAX_RULES: usize = 250;
/// The longest rule, in bytes.
const MAX_RULE: usize = 1024;
/// The most `*` between two slashes of a rule: what many of them match takes long to find out.
const MAX_STARS: usize = 3;
/// The most files of rules that count in one repository: those nearest to its root.
const MAX_FILES: usize = 32;
/// The most skipped lines that are told of.
const MAX_SKIPPED: usize = 20;

/// What a file of rules says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// The lines that count.
    pub(super) lines: String,
    /// The lines that do not, each with its number and why.
    pub(super) skipped: Vec<String>,
}

impl Rules {
    /// Reads a file of rules.
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
    /// Puts the files of rules of a repository together, each with its folder, which is empty for
    /// the root. Only those are compiled that can matter to the files at `paths`.
    pub(super) fn new(mut files: Vec<(String, String)>, paths: &[&str]) -> Self {
        files.sort_by_cached_key(|(folder, _)| (depth(folder), folder.clone()));
        files.truncate(MAX_FILES);
        files.retain(|(folder, _)| paths.iter().any(|path| below(folder, path)));
        let compiled = |(folder, lines): (String, String)| Some((folder, compile(&lines)?));
        Self { folders: files.into_iter().rev().filter_map(compiled).collect() }
    }

    /// Whether the file at `path` is ignored.
    pub(super) fn ignore(&self, path: &str) -> bool {
        let above: Vec<_> = self.folders.iter().filter(|(folder, _)| below(folder, path)).collect();
        let ends = path.match_indices('/').map(|(end, _)| (end, true));
        // From the top: what lies in an ignored folder is not asked about.
        ends.chain([(path.len(), false)]).any(|(end, is_folder)| {
            let Some(entry) = path.get(..end) else { return false };
            let verdicts = above.iter().filter_map(|(folder, rules)| {
                match rules.matched(below_of(folder, entry)?, is_folder) {
                    Match::None => None,
                    Match::Ignore(_) => Some(true),
                    Match::Whitelist(_) => Some(false),
                }
            });
            verdicts.take(1).any(|ignored| ignored)
        })
    }
}

/// Whether the file at `path` holds rules.
pub(super) fn is_rules(path: &str) -> bool {
    path::file_name(path) == FILE_NAME
}

fn compile(lines: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for line in lines.lines() {
        // Whatever cannot be read was skipped when the file came.
        drop(builder.add_line(None, line));
    }
    builder.build().ok()
}

/// Why a line is no rule.
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

fn below(folder: &str, path: &str) -> bool {
    below_of(folder, path).is_some()
}

/// The rest of `path` below `folder`.
fn below_of<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
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
    fn a_rule_with_many_stars_is_skipped_and_said() {
        let rules = Rules::read("*a*b*/**/*.md\n*a*a*a*a\n");
        assert_eq!(rules.lines, "*a*b*/**/*.md\n");
        assert_eq!(rules.skipped, ["line 2: more than 3 `*` between two slashes"]);
    }

    // As `git check-ignore` of git 2.47 has them.
    #[test]
    fn rules_mean_what_they_mean_to_git() {
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
    fn deeper_rules_come_first_and_count_only_below_their_folder() {
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
    fn a_line_that_cannot_be_read_costs_only_itself_and_is_told_of() {
        let rules = Rules::read(&format!("a[z-a].md\n*.png\n{}\n", "x".repeat(MAX_RULE + 1)));
        assert_eq!(rules.lines, "*.png\n");
        assert_eq!(rules.skipped.len(), 2);
        assert!(rules.skipped[0].starts_with("line 1: "), "{:?}", rules.skipped);
        assert_eq!(rules.skipped[1], "line 3: longer than 1024 bytes");
    }

    #[test]
    fn a_file_made_to_be_slow_is_bounded() {
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
