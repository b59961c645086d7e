//! What the issuer says of a user: the code is redeemed, and the ID token checked.
//!
//! A token counts where it is signed with one of the issuer's own keys by an algorithm that it
//! lists, is for us and for nobody else besides, has not ended, was issued just now, and repeats
//! the nonce. A signature that was made with our client secret counts as little as none: then
//! whoever learns the secret could be anybody.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use openidconnect::core::{
    CoreErrorResponseType, CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier,
    CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, Nonce, PkceCodeVerifier,
    RequestTokenError, SignatureVerificationError, TokenResponse,
};

use super::OidcError;
use super::client::whole;
use super::flow::Flow;
use super::issuer::{Issuer, Metadata};

/// What an ID token may be signed with: the issuer's private keys, and no shared secret.
const SIGNED: [CoreJwsSigningAlgorithm; 10] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EcdsaP521Sha512,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// How far ahead the issuer's clock may be, in seconds.
const AHEAD: i64 = 120;
/// How old an ID token may be, in seconds: it was made for this sign-in.
const OLDEST: i64 = 900;
/// The longest subject, in bytes, as the protocol has it.
const LONGEST_SUBJECT: usize = 255;

/// Who a user is, as the issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Who they are there, for ever.
    pub(super) subject: String,
    /// Their address, where the issuer has made sure that it is theirs.
    pub(super) email: Option<String>,
}

impl Issuer {
    /// Redeems a code, and gives who it is.
    pub(super) async fn redeem(&self, code: &str, flow: &Flow) -> Result<Identity, OidcError> {
        let metadata = self.metadata().await?;
        let token = self.exchange(&metadata, code, flow).await?;
        let checked = self.check(&metadata, &token, flow);
        let claims = match checked {
            // The issuer may have made itself another key.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) if let Some(newer) = self.newer(&metadata).await => self.check(&newer, &token, flow),
            checked => checked,
        };
        let claims = claims
            .map_err(|error| OidcError::refused(&format!("invalid ID token: {}", whole(&error))))?;
        self.identity(&claims)
    }

    async fn exchange(
        &self,
        metadata: &Arc<Metadata>,
        code: &str,
        flow: &Flow,
    ) -> Result<CoreIdToken, OidcError> {
        let client = self.client(metadata);
        let http = self.client.http();
        let request = client.exchange_code(AuthorizationCode::new(code.to_owned()));
        let request = request.map_err(|error| OidcError::Issuer(whole(&error)))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(flow.verifier().to_string()));
        let answer = request.request_async(&http).await.map_err(|error| match &error {
            RequestTokenError::ServerResponse(said)
                if *said.error() == CoreErrorResponseType::InvalidGrant =>
            {
                OidcError::refused("the issuer rejected the code")
            }
            error => OidcError::Issuer(whole(error)),
        })?;
        let token = answer.id_token().cloned();
        token.ok_or_else(|| OidcError::Issuer("the issuer's response has no ID token".to_owned()))
    }

    fn check(
        &self,
        metadata: &Metadata,
        token: &CoreIdToken,
        flow: &Flow,
    ) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
        let now = self.clock.now().unix_timestamp();
        let instant = UNIX_EPOCH + std::time::Duration::from_secs(now.try_into().unwrap_or(0));
        let listed = metadata.id_token_signing_alg_values_supported();
        let allowed = listed.iter().filter(|algorithm| SIGNED.contains(algorithm)).cloned();
        let id = ClientId::new(self.settings.client_id.clone());
        let keys = metadata.jwks().clone();
        let verifier = CoreIdTokenVerifier::new_public_client(id, self.url.clone(), keys)
            .set_allowed_algs(allowed)
            .set_time_fn(move || instant.into())
            .set_issue_time_verifier_fn(move |issued| {
                let age = now - issued.timestamp();
                let recent = (-AHEAD..=OLDEST).contains(&age);
                recent.then_some(()).ok_or_else(|| format!("it was issued {age} seconds ago"))
            });
        token.claims(&verifier, &Nonce::new(flow.nonce())).cloned()
    }

    fn identity(&self, claims: &CoreIdTokenClaims) -> Result<Identity, OidcError> {
        let party = claims.authorized_party();
        if party.is_some_and(|party| **party != self.settings.client_id) {
            return Err(OidcError::refused("the ID token was issued for another client"));
        }
        let subject = claims.subject().as_str();
        if !(1..=LONGEST_SUBJECT).contains(&subject.len()) {
            return Err(OidcError::refused("the ID token has no valid subject"));
        }
        let verified = claims.email_verified() == Some(true);
        let email = claims.email().filter(|_| verified).map(|email| email.as_str().to_owned());
        Ok(Identity { subject: subject.to_owned(), email })
    }
}
