//! Named gateways with their keys: `sealpost/contexts.toml` in the user's configuration directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ApiError, private_file};
use crate::config::Environment;

/// The contexts, by name.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Contexts {
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
}

/// A gateway with a key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Context {
    /// The URL of its admin listener.
    pub(in crate::cli) url: String,
    pub(in crate::cli) key: Zeroizing<String>,
}

impl Contexts {
    /// Reads the file. A missing file has no contexts. A file that others can read is rejected: its
    /// keys are not secret.
    pub(in crate::cli) fn load(path: &Path) -> Result<Self, ApiError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(private_file::unreadable(path, &error)),
        };
        let text = private_file::read(&mut file, path)?;
        // The error of the parser would show the line, which may hold a key.
        toml::from_str(&text)
            .map_err(|_| ApiError::Usage(format!("{} is not valid", path.display())))
    }

    /// Writes the file, for its owner only.
    pub(in crate::cli) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = Zeroizing::new(toml::to_string(self)?);
        private_file::replace(path, text.as_bytes())
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))
    }

    /// A context of this name.
    pub(in crate::cli) fn take(mut self, name: &str) -> Result<Context, ApiError> {
        let found = self.contexts.remove(name);
        found.ok_or_else(|| ApiError::Usage(self.unknown(name)))
    }

    /// Says that there is no context of this name, and which there are.
    pub(in crate::cli) fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none are saved".to_owned() } else { known.join(", ") };
        format!("unknown context `{name}`; known contexts: {known}")
    }

    pub(in crate::cli) fn set(&mut self, name: String, context: Context) {
        self.contexts.insert(name, context);
    }

    /// Removes a context; false if there is none of this name.
    pub(in crate::cli) fn remove(&mut self, name: &str) -> bool {
        self.contexts.remove(name).is_some()
    }

    /// The names and URLs.
    pub(in crate::cli) fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        self.contexts.iter().map(|(name, context)| (name.as_str(), context.url.as_str()))
    }
}

/// The file: below `XDG_CONFIG_HOME`, or `.config` in the home directory.
pub(in crate::cli) fn path(environment: &Environment) -> Result<PathBuf, ApiError> {
    let given = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || {
        let account = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
        let home = environment.get("HOME").map(PathBuf::from);
        home.or_else(|| account().map(|user| user.dir)).map(|home| home.join(".config"))
    };
    // A relative one is invalid by its specification.
    let folder = given.filter(|folder| folder.is_absolute()).or_else(home);
    let folder =
        folder.ok_or_else(|| ApiError::usage("cannot determine the home directory; set HOME"))?;
    Ok(folder.join("sealpost/contexts.toml"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn contexts_are_kept_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config/sealpost/contexts.toml");
        let mut contexts = Contexts::load(&path).unwrap();
        assert_eq!(contexts.list().count(), 0);
        let context = |url: &str| Context { url: url.to_owned(), key: "slp_1".to_owned().into() };
        contexts.set("ops".to_owned(), context("https://one.example.com"));
        contexts.set("ops".to_owned(), context("https://two.example.com"));
        contexts.set("test".to_owned(), context("http://localhost"));
        contexts.save(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

        let mut read = Contexts::load(&path).unwrap();
        assert!(read.remove("test") && !read.remove("test"));
        assert_eq!(read.list().collect::<Vec<_>>(), [("ops", "https://two.example.com")]);
        assert_eq!(read.take("ops").unwrap().key.as_str(), "slp_1");
        assert!(Contexts::default().take("ops").is_err());

        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let Err(error) = Contexts::load(&path) else { panic!("others can read it") };
        assert!(error.to_string().contains("chmod 600"), "{error}");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "key = 'slp_1'").unwrap();
        let Err(error) = Contexts::load(&path) else { panic!("it is not valid") };
        assert!(!error.to_string().contains("slp_1"), "{error}");
    }

    #[test]
    fn the_file_is_below_the_configuration_directory() {
        let path = |pairs: &[(&str, &str)]| {
            path(&pairs.iter().copied().collect()).unwrap().display().to_string()
        };
        let home = ("HOME", "/home/ada");
        assert_eq!(path(&[home]), "/home/ada/.config/sealpost/contexts.toml");
        assert_eq!(path(&[("XDG_CONFIG_HOME", "/etc/x"), home]), "/etc/x/sealpost/contexts.toml");
        assert_eq!(path(&[("XDG_CONFIG_HOME", "x"), home]), path(&[home]));
    }
}
