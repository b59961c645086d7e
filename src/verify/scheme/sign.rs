//! Signs a request as the sender would, for fixtures, test events and tests.

use bytes::Bytes;
use serde_json::{Map, Value as Json};

use super::signature_field::{Place, encode};
use super::value::Value;
use super::written_body::set_field;
use super::{Algorithm, EventMethod, Material, Scheme, TimePlace};
use crate::verify::{Headers, RequestHead, Secret, SenderInfo, Target, UnixSeconds};

/// A request to sign.
pub struct ToSign<'a> {
    pub method: &'a str,
    /// The query of the request.
    pub query: Option<&'a str>,
    /// Headers that the sender sends, by lower-case name.
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    pub secret: &'a Secret,
    pub at: UnixSeconds,
}

/// A signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    pub query: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Scheme {
    /// Signs a request as the sender would. What the signed text needs and the draft does not have,
    /// such as an id in a header or in the body, is added with a value that depends on the body and
    /// the time only; in a test event, with the event's own id.
    ///
    /// # Errors
    /// Why the sender's signature cannot be made, such as a private key that only the sender has.
    pub fn sign(&self, draft: &ToSign<'_>) -> Result<SignedRequest, String> {
        let key = Material::of(draft.secret.expose(), self.algorithm, &self.key)?;
        if matches!(key, Material::Public(_)) || self.fetches_keys() {
            return Err("the signature needs the private key, which only the sender has".into());
        }
        let mut request = SignedRequest {
            query: draft.query.map(str::to_owned),
            headers: draft.headers.to_vec(),
            body: draft.body.to_vec(),
        };
        if self.method == EventMethod::Get {
            // The content is the query.
            let query = String::from_utf8(request.body).map_err(|_| "the query is not text")?;
            let target = Target { method: self.method.as_str().to_owned(), query: Some(query) };
            request.body = target.sorted_query().into_bytes();
            request.query = target.query;
        }
        let timestamp = self.time.as_ref().map(|time| time.unit.write(draft.at));
        match self.time.as_ref().map(|time| &time.place) {
            Some(TimePlace::Header(name)) => {
                set_header(&mut request.headers, name, timestamp.clone().unwrap_or_default());
            }
            Some(TimePlace::Json(pointer)) => {
                let text = timestamp.clone().unwrap_or_default();
                let value = text.parse::<i64>().map_or(Json::String(text), Json::from);
                self.set_member(&mut request.body, pointer, value)?;
            }
            Some(TimePlace::Form(field)) => {
                set_field(&mut request.body, field, timestamp.as_deref().unwrap_or_default());
            }
            Some(TimePlace::Signature) | None => {}
        }
        self.add_named_values(&mut request, draft)?;
        self.add_hash_parameter(&mut request)?;
        self.add_named_headers(&mut request, draft);
        let written = match self.algorithm {
            Algorithm::Token => {
                self.field.write_token(&String::from_utf8_lossy(draft.secret.expose()))
            }
            Algorithm::Basic => {
                format!("Basic {}", encode(draft.secret.expose(), super::Encoding::Base64))
            }
            Algorithm::Jwt => self.field.write_token(&self.token(&request, draft, &key)?),
            _ => {
                let signature = self.signature(&request, draft, &key, timestamp.as_deref())?;
                self.field.write(&signature, timestamp.as_deref().unwrap_or_default())
            }
        };
        match &self.field.place {
            Place::Headers(names) => {
                let name = names.first().copied().unwrap_or_default();
                set_header(&mut request.headers, name, written);
            }
            Place::Query(name) => add_parameter(&mut request.query, name, &written),
            Place::Json(pointer) => {
                self.set_member(&mut request.body, pointer, Json::String(written))?;
            }
            Place::Form(field) => set_field(&mut request.body, field, &written),
            Place::Body => request.body = written.into_bytes(),
        }
        Ok(request)
    }

    /// The digest of the body in a query parameter.
    fn add_hash_parameter(&self, request: &mut SignedRequest) -> Result<(), String> {
        let Some(hash) = &self.body_hash else { return Ok(()) };
        let digest = encode(&hash.hash.of(&request.body), hash.encoding);
        match &hash.from {
            Value::Query(name) => add_parameter(&mut request.query, name, &digest),
            Value::Header(name) => set_header(&mut request.headers, name, digest),
            _ => return Err("the place of the body's digest cannot be written".into()),
        }
        Ok(())
    }

    /// Values in the body and in the query that are signed, such as an id, if the draft does not
    /// have them, and those that every request must have.
    fn add_named_values(
        &self,
        request: &mut SignedRequest,
        draft: &ToSign<'_>,
    ) -> Result<(), String> {
        let (head, body) = self.head_of(request, draft);
        let values = self.values(&head, Some(&body));
        let id = self.test_id(&values).unwrap_or_else(|| made_up(draft, "body"));
        let named = self.texts.first().into_iter().flat_map(super::Template::required);
        let missing = named.filter(|value| values.get(value).is_err());
        let mut wanted: Vec<(&Value, String)> = missing.map(|value| (value, id.clone())).collect();
        for (any, template) in &self.require {
            let text = template.render(&values).map_err(|_| "a required value is unknown")?;
            let text = String::from_utf8_lossy(&text).into_owned();
            // Verification looks at the first that is there.
            let present = any.iter().find(|value| values.get(value).is_ok());
            wanted.extend(present.or(any.first()).map(|value| (value, text)));
        }
        for (value, text) in wanted {
            match value {
                Value::Json(pointer) => {
                    self.set_member(&mut request.body, pointer, Json::String(text))?;
                }
                Value::Form(field) => set_field(&mut request.body, field, &text),
                Value::Query(name) => add_parameter(&mut request.query, name, &text),
                Value::Header(name) if !request.headers.iter().any(|(known, _)| known == name) => {
                    request.headers.push(((*name).to_owned(), text));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Headers that are signed, such as an id, if the draft does not have them.
    fn add_named_headers(&self, request: &mut SignedRequest, draft: &ToSign<'_>) {
        let has = |headers: &[(String, String)], name: &str| {
            headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name))
        };
        // A list with headers that are not there, as of a stored event, is written anew.
        if let Some(list) = self.signed_list {
            let headers = request.headers.clone();
            let is_whole = |value: &str| value.split(',').all(|name| has(&headers, name.trim()));
            request.headers.retain(|(name, value)| name != list || is_whole(value));
        }
        for name in &self.covered {
            if has(&request.headers, name) {
                continue;
            }
            let value = if self.signed_list == Some(*name) {
                let mut names: Vec<&str> =
                    self.covered.iter().copied().chain(self.time_header()).collect();
                names.sort_unstable();
                names.dedup();
                names.join(",")
            } else {
                made_up(draft, name)
            };
            request.headers.push(((*name).to_owned(), value));
        }
    }

    fn signature(
        &self,
        request: &SignedRequest,
        draft: &ToSign<'_>,
        key: &Material,
        timestamp: Option<&str>,
    ) -> Result<Vec<u8>, String> {
        let (head, body) = self.head_of(request, draft);
        let elements = self.field.written_elements();
        let values = self
            .values(&head, Some(&body))
            .with_elements(&elements, timestamp.map(std::borrow::Cow::Borrowed));
        // The first of the texts that this request has.
        let mut texts = self.texts.iter().map(|template| template.evaluate(&values));
        let first = texts.next().ok_or("there is no signed text")?;
        let text = match first {
            Ok(text) => Ok(text),
            Err(no_text) => texts.find_map(Result::ok).ok_or(no_text),
        };
        let text = text.map_err(|no_text| match no_text {
            super::NoText::Missing(super::Missing(what)) => format!("the request lacks {what}"),
            super::NoText::Ambiguous(name) => format!("`{name}` contains the separator"),
        })?;
        let mut mac = key.begin(self.algorithm).ok_or("the algorithm cannot sign")?;
        for piece in &text {
            match piece {
                super::Piece::Bytes(bytes) => mac.update(bytes),
                super::Piece::Secret => mac.update(key.secret()),
                super::Piece::StreamedBody => {}
            }
        }
        Ok(mac.finish().to_vec())
    }

    /// A token with the claims that verification requires.
    fn token(
        &self,
        request: &SignedRequest,
        draft: &ToSign<'_>,
        key: &Material,
    ) -> Result<String, String> {
        let jwt = self.jwt.as_ref().ok_or("the scheme has no token")?;
        let Material::Bytes(secret) = key else {
            return Err("the signature needs the private key, which only the sender has".into());
        };
        let (head, body) = self.head_of(request, draft);
        let values = self.values(&head, Some(&body));
        let mut claims = Map::new();
        for (name, template) in jwt.claims() {
            let text = template.render(&values).map_err(|_| format!("claim `{name}`"))?;
            let text = String::from_utf8_lossy(&text).into_owned();
            claims.insert(name.clone(), Json::String(text));
        }
        let (body_hash, url_hash) = jwt.hashes();
        let mut add = |hash: Option<&super::jwt_definition::ClaimHash>, over: &[u8]| {
            if let Some(hash) = hash {
                let digest = encode(&hash.hash.of(over), hash.encoding);
                claims.insert(hash.claim.clone(), Json::String(digest));
            }
        };
        add(body_hash, &body);
        if url_hash.is_some() {
            let url = values.get(&Value::Url).map_err(|_| "the source has no `url`")?;
            add(url_hash, &url);
        }
        let id = super::Digest::Sha256.of(&[draft.at.to_string().as_bytes(), &body[..]].concat());
        claims.insert("jti".into(), hex::encode(id.get(..16).unwrap_or_default()).into());
        claims.insert("iat".into(), draft.at.into());
        claims.insert("nbf".into(), draft.at.into());
        claims.insert("exp".into(), draft.at.saturating_add(300).into());
        let algorithm = jwt.algorithms().first().ok_or("the token has no algorithm")?.library();
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        key.and_then(|key| {
            jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), &claims, &key)
        })
        .map_err(|error| error.to_string())
    }

    fn head_of(&self, request: &SignedRequest, draft: &ToSign<'_>) -> (RequestHead, Bytes) {
        let mut headers = Headers::default();
        for name in &self.headers {
            for (_, value) in request.headers.iter().filter(|(header, _)| header == name) {
                headers.push(name, Bytes::copy_from_slice(value.as_bytes()));
            }
        }
        let content_type = request.headers.iter().find(|(name, _)| name == "content-type");
        let content_type = content_type.map(|(_, value)| value.as_bytes());
        let target = Target { method: draft.method.to_owned(), query: request.query.clone() };
        let head = RequestHead {
            headers,
            query: request.query.clone(),
            target: Some(Box::new(target)),
            sender_info: SenderInfo::new(content_type, None),
            ..RequestHead::default()
        };
        (head, Bytes::copy_from_slice(&request.body))
    }
}

fn set_header(headers: &mut Vec<(String, String)>, name: &str, value: String) {
    headers.retain(|(header, _)| header != name);
    headers.push((name.to_owned(), value));
}

/// An id that is the same for the same body and time.
fn made_up(draft: &ToSign<'_>, name: &str) -> String {
    let seed = [draft.at.to_string().as_bytes(), name.as_bytes(), draft.body].concat();
    let digest = super::Digest::Sha256.of(&seed);
    format!("test_{}", hex::encode(digest.get(..12).unwrap_or_default()))
}

fn add_parameter(query: &mut Option<String>, name: &str, value: &str) {
    let pair =
        url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    *query = Some(match query.take() {
        Some(query) => format!("{query}&{pair}"),
        None => pair,
    });
}
