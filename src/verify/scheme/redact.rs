//! Removes the secret of a handshake from a request that is about to be stored.

use bytes::Bytes;
use serde_json::Value as Json;

use super::value::Value;
use super::{Handshake, json_member};
use crate::verify::RequestHead;

/// What stands for a secret that was removed: the request is still recognized as a handshake.
const REMOVED: &str = "[removed]";

impl Handshake {
    /// Removes the secret. Whether the request is this handshake does not matter: what is where the
    /// secret would be is removed anyway.
    pub fn redact(&self, head: &mut RequestHead, body: &mut Bytes) {
        match self.store() {
            Some(Value::Header(name)) if head.headers.has(name) => {
                head.headers.remove(&[name]);
                head.headers.push(name, Bytes::from_static(REMOVED.as_bytes()));
            }
            Some(Value::Json(pointer)) => *body = without_member(body, pointer),
            _ => {}
        }
    }
}

/// The body without the value of a member; empty if it cannot be removed for certain.
fn without_member(body: &Bytes, pointer: &str) -> Bytes {
    let name = pointer.rsplit('/').next().unwrap_or_default().as_bytes();
    let is_named = body.windows(name.len().max(1)).any(|window| window == name);
    match json_member::find(body, pointer) {
        Ok(None) if serde_json::from_slice::<&serde_json::value::RawValue>(body).is_ok() => {
            return body.clone();
        }
        // Not JSON, as far as anybody can tell.
        Ok(None) if !is_named => return body.clone(),
        Ok(Some(_)) => {}
        _ => return Bytes::new(),
    }
    let Ok(mut json) = serde_json::from_slice::<Json>(body) else { return Bytes::new() };
    let Some(member) = json.pointer_mut(pointer) else { return Bytes::new() };
    let Json::String(secret) = std::mem::replace(member, Json::from(REMOVED)) else {
        return Bytes::new();
    };
    let without = json.to_string();
    if without.contains(&secret) { Bytes::new() } else { Bytes::from(without) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_is_removed_wherever_it_may_be() {
        let removed =
            |body: &'static str| without_member(&Bytes::from_static(body.as_bytes()), "/a");
        assert_eq!(removed(r#"{"a":"a-secret","b":1}"#), r#"{"a":"[removed]","b":1}"#);
        for kept in [r#"{"b":{"a":1}}"#, "no JSON", "", r"{"] {
            assert_eq!(removed(kept), kept);
        }
        for dropped in [
            r#"{"a":"a-secret","a":"another"}"#,
            r#"{"a":"a-secret","#,
            r#"{"a":"a-secret","b":"a-secret"}"#,
            r#"{"a":["a-secret"]}"#,
        ] {
            assert_eq!(removed(dropped), "", "{dropped}");
        }
    }
}
