//! Redeems the code and checks the ID token.
//!
//! A token is valid if it is signed with one of the issuer's own keys by an algorithm that the
//! issuer lists, is for us only, has not expired, was issued recently, and contains the nonce. A
//! signature made with our client secret is rejected: otherwise a leaked secret would be enough to
//! impersonate any user.

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
use super::client::one_line;
use super::flow::Flow;
use super::issuer::{Issuer, Metadata};

/// The accepted algorithms: asymmetric ones only.
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
/// The tolerated clock skew of the issuer, in seconds.
const MAX_SKEW: i64 = 120;
/// The maximum age of an ID token, in seconds: it was made for this sign-in.
const MAX_AGE: i64 = 900;
/// The maximum length of a subject, in bytes, according to the protocol.
const MAX_SUBJECT: usize = 255;

/// A user, as identified by the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The permanent id of the user at the issuer.
    pub(super) subject: String,
    /// The e-mail address, if the issuer has verified it.
    pub(super) email: Option<String>,
}

impl Issuer {
    /// Redeems a code for the identity of the user.
    pub(super) async fn redeem(&self, code: &str, flow: &Flow) -> Result<Identity, OidcError> {
        let metadata = self.metadata().await?;
        let token = self.exchange(&metadata, code, flow).await?;
        let checked = self.check(&metadata, &token, flow);
        let claims = match checked {
            // The issuer may have rotated its keys.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) if let Some(newer) = self.newer(&metadata).await => self.check(&newer, &token, flow),
            checked => checked,
        };
        let claims = claims.map_err(|error| {
            OidcError::refused(&format!("invalid ID token: {}", one_line(&error)))
        })?;
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
        let request = request.map_err(|error| OidcError::Issuer(one_line(&error)))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(flow.verifier().to_string()));
        let answer = request.request_async(&http).await.map_err(|error| match &error {
            RequestTokenError::ServerResponse(response)
                if *response.error() == CoreErrorResponseType::InvalidGrant =>
            {
                OidcError::refused("the issuer rejected the code")
            }
            error => OidcError::Issuer(one_line(error)),
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
                let recent = (-MAX_SKEW..=MAX_AGE).contains(&age);
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
        if !(1..=MAX_SUBJECT).contains(&subject.len()) {
            return Err(OidcError::refused("the ID token has no valid subject"));
        }
        let verified = claims.email_verified() == Some(true);
        let email = claims.email().filter(|_| verified).map(|email| email.as_str().to_owned());
        Ok(Identity { subject: subject.to_owned(), email })
    }
}
