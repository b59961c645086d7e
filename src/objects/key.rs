//! Object keys.

use std::fmt::{self, Write};

use object_store::path::Path;
use sha2::{Digest, Sha256};

/// The maximum length of an unchanged path segment, in encoded bytes. With a version it stays below
/// the 255 bytes of file systems.
const MAX_NAME: usize = 160;
/// The maximum length of an unchanged path, in encoded bytes. With two segments before it and a
/// version it stays below the 1024 bytes of S3.
const MAX_PATH: usize = 560;

/// The key of an object: segments separated by slashes.
///
/// Two different paths or versions never have the same key, no key is outside of the storage, and
/// no object has the key of a folder:
///
/// - letters, digits, `_`, `-` and dots are kept, every other byte is `%` and two digits; a segment
///   of dots only is encoded completely;
/// - a segment or path that is too long is `~` and its SHA-256;
/// - the version follows the path after an `@`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Path);

impl Key {
    /// The key of a version of the file at `path`, in the folders `owner`.
    pub fn new(owner: &[&str], path: &str, version: &str) -> Self {
        let mut encoded = path.split('/').map(name).collect::<Vec<_>>().join("/");
        if encoded.len() > MAX_PATH {
            // Two tildes: no single segment begins with them.
            encoded = format!("~~{}", hex::encode(Sha256::digest(path)));
        }
        let owner = owner.iter().map(|owner| name(owner)).collect::<Vec<_>>().join("/");
        Self::read(&format!("{owner}/{encoded}@{}", name(version)))
    }

    /// The folder with these segments; no object has such a key.
    pub(super) fn folder(names: &[&str]) -> Self {
        Self::read(&names.iter().map(|one| name(one)).collect::<Vec<_>>().join("/"))
    }

    /// Parses [`Key::as_str`].
    pub fn read(text: &str) -> Self {
        // An invalid key is encoded again, and then is the key of no object.
        Self(Path::parse(text).unwrap_or_else(|_| Path::from(text)))
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Encodes one segment.
fn name(text: &str) -> String {
    let dots = text.bytes().all(|byte| byte == b'.');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
            b'.' if !dots => encoded.push('.'),
            // Writing to a string never fails.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    if encoded.len() > MAX_NAME {
        return format!("~{}", hex::encode(Sha256::digest(text)));
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn key(path: &str) -> String {
        Key::new(&["default", "repo_1"], path, "v1").as_str().to_owned()
    }

    #[test]
    fn key_has_owner_path_and_version() {
        assert_eq!(key("img/Back squat.png"), "default/repo_1/img/Back%20squat.png@v1");
        assert_eq!(key("カ.png"), "default/repo_1/%E3%82%AB.png@v1");
    }

    #[test]
    fn keys_stay_in_their_folder_and_objects_are_not_folders() {
        for path in ["../../x", "..", ".", "/etc/passwd", "a//b", "a/../b", "a/", "", "a\\b", "a\0"]
        {
            let key = key(path);
            let names: Vec<&str> = key.split('/').collect();
            assert_eq!(&names[..2], ["default", "repo_1"], "{path:?}");
            assert!(!names.iter().any(|name| matches!(*name, "." | "..")), "{key}");
            assert!(names.last().unwrap().ends_with("@v1"), "{key}");
            assert!(!names[..names.len() - 1].iter().any(|name| name.contains('@')), "{key}");
        }
    }

    #[test]
    fn keys_are_unique_and_bounded() {
        let long = "é".repeat(120);
        let deep = vec!["abcdefghij"; 90].join("/");
        let paths = [
            "a b".to_owned(),
            "a%20b".into(),
            "a%2520b".into(),
            "A b".into(),
            "a/b".into(),
            "a%2Fb".into(),
            "a@v1".into(),
            "a".into(),
            "a/@v1".into(),
            "~a".into(),
            format!("~{}", hex::encode(Sha256::digest(&long))),
            format!("~~{}", hex::encode(Sha256::digest(&deep))),
            format!("{long}x"),
            format!("{deep}x"),
            long,
            deep,
        ];
        let mut seen = HashMap::new();
        for path in &paths {
            let key = key(path);
            assert!(key.len() <= 1024 && key.split('/').all(|name| name.len() <= 255), "{key}");
            assert_eq!(seen.insert(key, path), None, "{path}");
        }
        assert_ne!(Key::new(&["a"], "b", "1"), Key::new(&["a"], "b", "2"));
    }

    #[test]
    fn key_round_trips() {
        let key = Key::new(&["t/..", "r"], "a b/%", "v@");
        assert_eq!(Key::read(key.as_str()), key);
    }
}
