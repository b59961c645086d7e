//! Secrets that do not belong to a source: the alert channel and the master keys.

use zeroize::Zeroizing;

use super::{Environment, SecretRef};
use crate::alerts::Webhook;
use crate::vault::{MasterKey, Vault};

/// Resolves the address of the alert channel.
pub(super) fn discord(reference: &SecretRef, environment: &Environment) -> Result<Webhook, String> {
    let read = reference.resolve(environment).and_then(|secret| {
        Webhook::new(&secret).map_err(|why| format!("in {} {why}", place(reference)))
    });
    read.map_err(|why| format!("alerts.discord: the address {why}"))
}

fn place(reference: &SecretRef) -> String {
    match (&reference.env, &reference.file) {
        (Some(variable), _) => format!("variable `{variable}`"),
        (None, path) => format!("file `{}`", path.as_deref().unwrap_or("".as_ref()).display()),
    }
}

/// Reads the master keys: those of `SEALPOST_MASTER_KEY`, of the file in
/// `SEALPOST_MASTER_KEY_FILE`, and of `SEALPOST_MASTER_KEY_OLD`, in this order. Each may contain
/// several, separated by commas or white space.
pub(super) fn vault(environment: &Environment, wrong: &mut Vec<String>) -> Vault {
    let mut keys = Vec::new();
    let mut take = |place: &str, text: &str| {
        for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|w| !w.is_empty()) {
            match MasterKey::read(word) {
                Ok(key) => keys.push(key),
                Err(why) => wrong.push(format!("{place}: a master key {why}")),
            }
        }
    };
    take(KEY, environment.get(KEY).unwrap_or_default());
    let unread = environment.get(KEY_FILE).and_then(|path| match std::fs::read_to_string(path) {
        Ok(text) => {
            take(&format!("file `{path}`"), &Zeroizing::new(text));
            None
        }
        Err(error) => Some(format!("{KEY_FILE}: file `{path}`: {error}")),
    });
    take(KEY_OLD, environment.get(KEY_OLD).unwrap_or_default());
    wrong.extend(unread);
    Vault::new(keys)
}

const KEY: &str = "SEALPOST_MASTER_KEY";
pub(super) const KEY_FILE: &str = "SEALPOST_MASTER_KEY_FILE";
const KEY_OLD: &str = "SEALPOST_MASTER_KEY_OLD";

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> [String; 3] {
        std::array::from_fn(|index| format!("{index}1ab").repeat(16))
    }

    #[test]
    fn newest_master_key_comes_first() {
        let [new, mid, old] = keys();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{mid}\n")).unwrap();
        let environment: Environment = [
            (KEY_OLD, old.as_str()),
            (KEY, &format!("{new}, {mid}")),
            (KEY_FILE, file.path().to_str().unwrap()),
        ]
        .into_iter()
        .collect();
        let mut wrong = Vec::new();
        let vault = vault(&environment, &mut wrong);
        assert_eq!(wrong, [""; 0]);
        assert_eq!(vault.newest().unwrap(), MasterKey::read(&new).unwrap().id());
        assert_eq!(format!("{vault:?}").matches(',').count(), 3, "four keys: {vault:?}");
    }

    #[test]
    fn invalid_master_key_is_reported_with_its_location() {
        let environment: Environment =
            [(KEY, "not-a-key"), (KEY_FILE, "/none/such")].into_iter().collect();
        let mut wrong = Vec::new();
        assert!(vault(&environment, &mut wrong).newest().is_err());
        assert_eq!(wrong.len(), 2);
        assert!(wrong[0].starts_with("SEALPOST_MASTER_KEY: a master key must be 32 bytes"));
        assert!(wrong[1].starts_with("SEALPOST_MASTER_KEY_FILE: file `/none/such`: "));
        assert!(!wrong.concat().contains("not-a-key"));
    }
}
