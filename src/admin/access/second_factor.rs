//! Two-factor codes of an authenticator app (TOTP). The vault seals the secret, and each code is
//! accepted once.

use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::Access;
use super::attempts::Client;
use super::own_password::lock_unchanged;
use super::sessions::{Session, audit};
use super::sign_in_error::SignInError;
use crate::admin::AdminError;
use crate::store::{StoreError, Tx};
use crate::vault::Label;

/// The issuer shown by authenticator apps.
const ISSUER: &str = "Sealpost";

/// A new secret, for an authenticator app.
#[derive(Debug)]
pub struct CodeSecret {
    /// The secret in base32, for typing.
    pub base32: Zeroizing<String>,
    /// The same as an `otpauth://` address, for a QR code.
    pub url: Zeroizing<String>,
}

impl Access {
    /// Why two-factor codes are not available; `None` if they are.
    pub fn why_no_codes(&self) -> Option<String> {
        self.vault.newest().err().map(|error| error.to_string())
    }

    /// Creates a new secret. Codes are required only after [`Access::confirm_codes`]. The password
    /// is checked again, so that nobody can lock a user out from an unattended browser.
    ///
    /// # Errors
    /// As [`Access::change_password`](super::Access::change_password); [`AdminError::Vault`]
    /// without a master key; [`AdminError::Conflict`] if codes are already on, or for a user
    /// without a password.
    pub async fn begin_codes(
        &self,
        session: &Session,
        password: &str,
        from: &Client<'_>,
    ) -> Result<CodeSecret, SignInError> {
        if !session.password {
            let elsewhere = "two-factor codes are managed by your single sign-on provider, not by \
                             Sealpost";
            return Err(AdminError::Conflict(elsewhere.to_owned()).into());
        }
        if session.codes {
            let already = "two-factor codes are already enabled: disable them first";
            return Err(AdminError::Conflict(already.to_owned()).into());
        }
        let user = self.check_password_again(session, password, from).await?;
        let secret = Zeroizing::new(rand::random::<[u8; 20]>());
        let sealed = self.vault.seal(&label(session.user), &secret[..]);
        let sealed = sealed.map_err(AdminError::from)?;
        let totp = totp(&secret[..], &session.name)?;
        let url = totp.to_url().map_err(|_| unusable())?;
        let mut tx = self.store.begin().await?;
        lock_unchanged(&mut tx, &user).await?;
        tx.put_credential(&label(session.user), &sealed, self.clock.now()).await?;
        tx.commit(()).await?;
        let base32 = Zeroizing::new(totp.secret().to_base32());
        Ok(CodeSecret { base32, url: Zeroizing::new(url) })
    }

    /// Turns codes on, given a code of the new secret.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for a wrong code.
    pub async fn confirm_codes(&self, session: &Session, code: &str) -> Result<(), AdminError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !self.take_code(&mut tx, session.user, Some(code)).await? {
            return Err(AdminError::Invalid("wrong two-factor code".to_owned()));
        }
        tx.set_totp_since(session.user, Some(now)).await?;
        audit(&mut tx, &session.caller, now, "enable two-factor", &session.name, "").await?;
        tx.commit(()).await?;
        Ok(())
    }

    /// Turns codes off. The password is checked again.
    ///
    /// # Errors
    /// As [`Access::change_password`](super::Access::change_password).
    pub async fn turn_codes_off(
        &self,
        session: &Session,
        password: &str,
        from: &Client<'_>,
    ) -> Result<(), SignInError> {
        if self.second_factor {
            let required = "two-factor codes are required (`operator.require_second_factor`)";
            return Err(AdminError::Conflict(required.to_owned()).into());
        }
        let user = self.check_password_again(session, password, from).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        lock_unchanged(&mut tx, &user).await?;
        tx.set_totp_since(user.id, None).await?;
        tx.delete_credential(&label(user.id)).await?;
        audit(&mut tx, &session.caller, now, "disable two-factor", &session.name, "").await?;
        tx.commit(()).await?;
        Ok(())
    }

    /// Accepts a code that is valid now and was not used before.
    pub(super) async fn take_code(
        &self,
        tx: &mut Tx<'_>,
        user: i64,
        code: Option<&str>,
    ) -> Result<bool, AdminError> {
        let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) else {
            return Ok(false);
        };
        let Some(sealed) = tx.credential(&label(user)).await? else { return Ok(false) };
        let secret = self.vault.open(&label(user), &sealed)?;
        let now = u64::try_from(self.clock.now().unix_timestamp()).unwrap_or_default();
        let Some(step) = totp(&secret, "")?.check(code, now) else { return Ok(false) };
        Ok(tx.use_totp_step(user, i64::try_from(step).unwrap_or(i64::MAX)).await?)
    }
}

/// Deletes the secret of a user's codes, and turns them off.
pub(super) async fn drop_codes(tx: &mut Tx<'_>, user: i64) -> Result<(), StoreError> {
    tx.set_totp_since(user, None).await?;
    tx.delete_credential(&label(user)).await?;
    Ok(())
}

/// The vault label of the secret: no source has an empty tenant.
fn label(user: i64) -> Label {
    Label {
        tenant: String::new(),
        source: "users".to_owned(),
        name: format!("codes of user {user}"),
    }
}

/// Six digits, every 30 seconds, SHA-1: the parameters all authenticator apps support. The previous
/// and the next code are accepted too.
fn totp(secret: &[u8], name: &str) -> Result<Totp, AdminError> {
    Builder::new()
        .with_secret(secret.to_vec())
        .with_issuer(Some(ISSUER))
        .with_account_name(name)
        .build()
        .map_err(|_| unusable())
}

fn unusable() -> AdminError {
    AdminError::Invalid("cannot set up two-factor codes for this name".to_owned())
}
