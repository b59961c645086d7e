//! Codes of an authenticator app (TOTP): the secret is sealed by the vault, and a code is taken
//! once.

use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::Access;
use super::attempts::Client;
use super::sessions::{Session, SignInError, audit};
use super::users::lock_unchanged;
use crate::admin::AdminError;
use crate::store::{StoreError, Tx};
use crate::vault::Label;

/// Who gives out the codes, as authenticator apps show it.
const ISSUER: &str = "Sealpost";

/// What an authenticator app needs.
#[derive(Debug)]
pub struct CodeSecret {
    /// The secret in base32, to be typed.
    pub base32: Zeroizing<String>,
    /// The same as an `otpauth://` address, for a QR code.
    pub url: Zeroizing<String>,
}

impl Access {
    /// Why nobody can use codes here; `None` where they can.
    pub fn why_no_codes(&self) -> Option<String> {
        self.vault.newest().err().map(|error| error.to_string())
    }

    /// Makes a new secret. No code is asked for until [`Access::confirm_codes`]. The password has
    /// to be given once more: whoever finds a browser that was left open cannot lock its user out.
    ///
    /// # Errors
    /// As [`Access::change_password`](super::Access::change_password); [`AdminError::Vault`]
    /// without a master key; [`AdminError::Conflict`] where codes are asked for already, or for
    /// a user who has no password here.
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
        let user = self.recheck(session, password, from).await?;
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

    /// Asks for codes from now on, once one of the new secret is shown.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] for a wrong code; [`AdminError::Vault`];
    /// [`AdminError::Store`].
    pub async fn confirm_codes(&self, session: &Session, code: &str) -> Result<(), AdminError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        if !self.take_code(&mut tx, session.user, Some(code)).await? {
            return Err(AdminError::Invalid("wrong two-factor code".to_owned()));
        }
        tx.ask_for_codes(session.user, Some(now)).await?;
        audit(&mut tx, &session.caller, now, "enable two-factor", &session.name, "").await?;
        tx.commit(()).await?;
        Ok(())
    }

    /// Asks for no codes any more. The password has to be given once more.
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
        let user = self.recheck(session, password, from).await?;
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        lock_unchanged(&mut tx, &user).await?;
        tx.ask_for_codes(user.id, None).await?;
        tx.forget_credential(&label(user.id)).await?;
        audit(&mut tx, &session.caller, now, "disable two-factor", &session.name, "").await?;
        tx.commit(()).await?;
        Ok(())
    }

    /// Takes a code, if it is one of now and was not taken before.
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
        Ok(tx.take_code(user, i64::try_from(step).unwrap_or(i64::MAX)).await?)
    }
}

/// Deletes the secret of a user's codes, and asks for none.
pub(super) async fn drop_codes(tx: &mut Tx<'_>, user: i64) -> Result<(), StoreError> {
    tx.ask_for_codes(user, None).await?;
    tx.forget_credential(&label(user)).await?;
    Ok(())
}

/// Where the secret stands among the credentials: no source has an empty tenant.
fn label(user: i64) -> Label {
    Label {
        tenant: String::new(),
        source: "users".to_owned(),
        name: format!("codes of user {user}"),
    }
}

/// Six digits, every 30 seconds, SHA-1: what every authenticator app understands. The codes before
/// and after the present one count too.
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
