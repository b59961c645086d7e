//! Random tokens: of sessions, devices, set-up links and sign-ins in progress.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The length of a token: 32 bytes in base64.
const TOKEN: usize = 43;

/// 32 random bytes, in base64.
pub(super) fn random() -> Zeroizing<String> {
    let random = Zeroizing::new(rand::random::<[u8; 32]>());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(&random[..]))
}

/// Whether a text has the format of [`random`].
pub(super) fn is_token(shown: &str) -> bool {
    shown.len() == TOKEN
        && shown.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
