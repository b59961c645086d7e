//! A rule about the source: the files of `src` do not import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::architecture::sources;

/// The modules that each module imports. A module is its path below `src`, such as `web/api`.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The module of a file below `src`.
fn module_of(path: &str) -> &str {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    path.strip_suffix("/mod").unwrap_or(path)
}

/// The module that `module` is in; "" is the crate.
fn parent(module: &str) -> &str {
    module.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn child(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}/{name}") }
}

fn is_below(module: &str, ancestor: &str) -> bool {
    module.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

/// What the `use` items in the code import, each as a single path. Not what `pub use` exports.
fn used_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        at += line.len();
        if let Some(rest) = code[start..].strip_prefix("use ")
            && let Some((item, _)) = rest.split_once(';')
        {
            expand("", item, &mut paths);
        }
    }
    paths
}

/// Adds `a::b` and `a::c` for `a::{b, c as d}`.
fn expand(before: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let braces = tree.strip_suffix('}').and_then(|tree| tree.split_once('{'));
    let Some((prefix, list)) = braces else {
        paths.extend(tree.split_whitespace().next().map(|path| format!("{before}{path}")));
        return;
    };
    let before = format!("{before}{prefix}");
    let mut depth = 0;
    let parts = list.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    for part in parts {
        expand(&before, part, paths);
    }
}

/// The module that `path` leads to when `module` uses it. `None` for other crates.
fn target(module: &str, path: &str, modules: &BTreeSet<&str>) -> Option<String> {
    let mut names = path.split("::").peekable();
    let mut found = match *names.peek()? {
        "crate" => {
            names.next();
            String::new()
        }
        "self" => {
            names.next();
            module.to_owned()
        }
        "super" => {
            let mut above = module;
            while names.next_if_eq(&"super").is_some() {
                above = parent(above);
            }
            above.to_owned()
        }
        name if modules.contains(child(module, name).as_str()) => module.to_owned(),
        _ => return None,
    };
    for name in names {
        let next = child(&found, name);
        if !modules.contains(next.as_str()) {
            break;
        }
        found = next;
    }
    modules.contains(found.as_str()).then_some(found)
}

/// What each file imports, from its path below `src` and its code. That a module uses what the
/// modules around it define is normal, and is left out.
fn imports<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Imports {
    let files: BTreeMap<&str, &str> =
        files.into_iter().map(|(path, code)| (module_of(path), code)).collect();
    let modules: BTreeSet<&str> = files.keys().copied().collect();
    let imported = |module: &str, code: &str| {
        used_paths(code)
            .iter()
            .filter_map(|path| target(module, path, &modules))
            .filter(|target| target != module && !is_below(module, target))
            .collect()
    };
    files.iter().map(|(module, code)| ((*module).to_owned(), imported(module, code))).collect()
}

/// Every module that `module` imports, directly or through others.
fn reached<'a>(module: &str, imports: &'a Imports) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[module].iter().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(imports[module].iter().map(String::as_str));
        }
    }
    reached
}

/// The largest sets of modules that all reach each other.
fn circles(imports: &Imports) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|module| (module.as_str(), reached(module, imports))).collect();
    reached
        .iter()
        .filter(|(module, reaches)| reaches.contains(*module))
        .map(|(module, reaches)| {
            reaches.iter().copied().filter(|other| reached[other].contains(module)).collect()
        })
        .collect()
}

/// The imports that make up a circle, a line for each file.
fn describe(circle: &[&str], imports: &Imports) -> String {
    let lines = circle.iter().map(|module| {
        let within: Vec<&str> =
            circle.iter().copied().filter(|other| imports[*module].contains(*other)).collect();
        format!("  src/{module} imports {}", within.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let sources = sources();
    let imports = imports(sources.iter().map(|source| (source.path.as_str(), &*source.code)));
    assert!(imports.values().flatten().count() > 500, "too few imports");
    let found: Vec<String> =
        circles(&imports).iter().map(|circle| describe(circle, &imports)).collect();
    let found = found.join("\nand these:\n");
    assert!(found.is_empty(), "these files import each other in a circle:\n{found}");
}

#[test]
fn every_way_to_import_counts() {
    let imports = imports([
        ("a/mod.rs", "use b::Thing;\nuse other::c;\npub use d::Thing;"),
        ("a/b.rs", "use super::{Parent, c::{Deep, Deeper as D}};\n    use crate::x::y::Item;"),
        ("a/c.rs", "use self::inner::Thing;\nuse super::super::{\n    x::{self, y},\n    z,\n};"),
        ("a/c/inner.rs", "use super::super::b;\nuse super::Parent;\nuse self::Own;"),
        ("a/d.rs", "use crate::a;\nuse std::fmt;"),
        ("x/mod.rs", ""),
        ("x/y.rs", ""),
    ]);
    let of = |module: &str| imports[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("a"), ["a/b"]);
    assert_eq!(of("a/b"), ["a/c", "x/y"]);
    assert_eq!(of("a/c"), ["a/c/inner", "x", "x/y"]);
    assert_eq!(of("a/c/inner"), ["a/b"]);
    assert!(of("a/d").is_empty() && of("x").is_empty() && of("x/y").is_empty());
    let circle = vec!["a/b", "a/c", "a/c/inner"];
    assert_eq!(describe(&circle[..2], &imports), "  src/a/b imports a/c\n  src/a/c imports ");
    assert_eq!(circles(&imports), BTreeSet::from([circle]));
}
