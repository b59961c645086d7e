//! Passwords: Argon2id, computed on blocking threads, a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tracing::error;
use zeroize::Zeroizing;

use super::common_passwords::is_guessable;
use crate::admin::AdminError;

/// Memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// The maximum number of concurrent hashes: each needs that memory and a core.
const MAX_CONCURRENT: usize = 2;
/// The minimum length, in characters.
const MIN_CHARS: usize = 12;
/// The maximum length, in bytes.
const MAX_BYTES: usize = 1024;
/// A hash of the same cost without a password, checked for unknown names.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Debug, Clone)]
pub(super) struct Passwords {
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_CONCURRENT)) }
    }
}

impl Passwords {
    pub(super) async fn hash(&self, password: &str) -> Result<String, AdminError> {
        let password = Zeroizing::new(password.to_owned());
        let hashed = self.compute(move || {
            let hash = hasher()?.hash_password(password.as_bytes()).ok()?;
            Some(hash.to_string())
        });
        hashed.await.flatten().ok_or_else(|| {
            error!("cannot hash a password");
            AdminError::Invalid("cannot hash the password at the moment".to_owned())
        })
    }

    /// Whether the password matches the hash. Takes as long without a hash.
    pub(super) async fn check(&self, password: &str, kept: Option<&str>) -> bool {
        let password = Zeroizing::new(password.to_owned());
        let (hash, known) = (kept.unwrap_or(DUMMY_HASH).to_owned(), kept.is_some());
        let checked = self.compute(move || {
            let Ok(hash) = PasswordHash::new(&hash) else { return false };
            hasher()
                .is_some_and(|hasher| hasher.verify_password(password.as_bytes(), &hash).is_ok())
        });
        checked.await.unwrap_or(false) && known
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let computed = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        computed.await.ok()
    }
}

fn hasher() -> Option<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Checks a new password of the user with this name.
pub(super) fn check_choice(name: &str, password: &str) -> Result<(), AdminError> {
    let wrong = |why: &str| Err(AdminError::Invalid(why.to_owned()));
    if password.chars().count() < MIN_CHARS {
        return wrong("the password must have at least 12 characters");
    }
    if password.len() > MAX_BYTES {
        return wrong("the password must have at most 1,024 bytes");
    }
    if password.trim().to_lowercase() == name.trim().to_lowercase() {
        return wrong("the password must differ from the user name");
    }
    if is_guessable(password) {
        return wrong("this password is too common: choose another");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hash_matches_only_its_password() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse battery").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(passwords.check("correct horse battery", Some(&kept)).await);
        assert!(!passwords.check("correct horse batterx", Some(&kept)).await);
        assert!(!passwords.check("correct horse battery", None).await);
        assert!(PasswordHash::new(DUMMY_HASH).is_ok(), "it costs as much as a real one");
        assert!(!passwords.check("", Some("not a hash")).await);
    }

    #[test]
    fn guessable_password_is_rejected() {
        assert!(check_choice("ada", "twelve chars").is_ok());
        for wrong in
            ["", "eleven char", "aaaaaaaaaaaaaaaa", " ADA lovelace count ", &"ab".repeat(513)]
        {
            assert!(check_choice("ada lovelace count", wrong).is_err(), "{wrong}");
        }
    }
}
