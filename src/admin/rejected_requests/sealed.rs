//! The sealed content of a rejected request: the head that its provider saw, the sender information
//! and the body.

use std::io::Write as _;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::admin::{AdminError, RecordedRequest};
use crate::store::RejectedRequest;
use crate::vault::{Sealed, Vault, VaultError};
use crate::verify::RequestHead;

/// The head, as it is sealed before the body.
#[derive(Serialize, Deserialize)]
struct Head {
    action: Option<String>,
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
}

pub(super) fn seal(
    vault: &Vault,
    (tenant, source, id): (&str, &str, Uuid),
    head: &RequestHead,
    body: &[u8],
) -> Result<Sealed, VaultError> {
    let sender_info =
        head.sender_info.iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let headers = head.headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec()));
    let head = Head {
        action: head.action.map(str::to_owned),
        // All of it, if the signature covers it.
        query: head.target.as_ref().map_or(&head.query, |target| &target.query).clone(),
        headers: headers.chain(sender_info).collect(),
    };
    // Strings and bytes always serialise, and writing to a vector does not fail.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    let mut plain = Zeroizing::new(Vec::with_capacity(8 + head.len() + body.len()));
    for part in [&(head.len() as u64).to_be_bytes()[..], &head, body] {
        plain.write_all(part).map_err(|_| VaultError::TooLarge)?;
    }
    vault.seal(&RejectedRequest::label(tenant, source, id), &plain)
}

/// Opens a request that [`seal`] sealed.
pub(super) fn open(
    vault: &Vault,
    (tenant, source, id): (&str, &str, Uuid),
    sealed: &Sealed,
) -> Result<RecordedRequest, AdminError> {
    let plain = vault.open(&RejectedRequest::label(tenant, source, id), sealed)?;
    let split = || {
        let (length, rest) = plain.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (head, body) = rest.split_at_checked(length)?;
        Some((serde_json::from_slice::<Head>(head).ok()?, body))
    };
    let (head, body) = split()
        .ok_or_else(|| AdminError::Conflict("the stored request has an unknown format".into()))?;
    Ok(RecordedRequest {
        path: Some(match head.action {
            Some(action) => format!("/hooks/{source}/{action}"),
            None => format!("/hooks/{source}"),
        }),
        query: head.query,
        headers: head.headers,
        body: Bytes::copy_from_slice(body),
        received_at: None,
    })
}
