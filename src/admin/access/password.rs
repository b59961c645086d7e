//! Passwords: Argon2id, away from the threads that answer, a few at a time.

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
/// How many are computed at a time: each takes that memory, and a core.
const AT_A_TIME: usize = 2;
/// The fewest characters.
const SHORTEST: usize = 12;
/// The most bytes.
const LONGEST: usize = 1024;
/// The hash of no password, of the same cost: what a name that nobody has is checked against.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and checks passwords.
#[derive(Debug, Clone)]
pub(super) struct Passwords {
    seats: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { seats: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

impl Passwords {
    /// What is kept of a password.
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

    /// Whether it is the password of which this is kept. Takes as long where there is none.
    pub(super) async fn check(&self, password: &str, kept: Option<&str>) -> bool {
        let password = Zeroizing::new(password.to_owned());
        let (hash, known) = (kept.unwrap_or(NOBODY).to_owned(), kept.is_some());
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
        let seat = Arc::clone(&self.seats).acquire_owned().await.ok()?;
        let computed = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(seat);
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

/// Whether a user of this name may have this password.
pub(super) fn check_choice(name: &str, password: &str) -> Result<(), AdminError> {
    let wrong = |why: &str| Err(AdminError::Invalid(why.to_owned()));
    if password.chars().count() < SHORTEST {
        return wrong("the password must have at least 12 characters");
    }
    if password.len() > LONGEST {
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
    async fn a_password_is_known_again_and_no_other_is() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse battery").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(passwords.check("correct horse battery", Some(&kept)).await);
        assert!(!passwords.check("correct horse batterx", Some(&kept)).await);
        assert!(!passwords.check("correct horse battery", None).await);
        assert!(PasswordHash::new(NOBODY).is_ok(), "it costs what a real one costs");
        assert!(!passwords.check("", Some("not a hash")).await);
    }

    #[test]
    fn a_password_that_is_easily_guessed_is_not_taken() {
        assert!(check_choice("ada", "twelve chars").is_ok());
        for wrong in
            ["", "eleven char", "aaaaaaaaaaaaaaaa", " ADA lovelace count ", &"ab".repeat(513)]
        {
            assert!(check_choice("ada lovelace count", wrong).is_err(), "{wrong}");
        }
    }
}
