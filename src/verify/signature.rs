//! Signature schemes as data, and the one engine that runs them.
//!
//! A [`Scheme`] says in which header the signature stands and how it is written there, where the
//! time stands, and what text is signed. Every signed text ends in the body; a scheme cannot say
//! otherwise. All schemes here are HMAC-SHA256 in hexadecimal.

use hmac::Hmac;
use sha2::Sha256;

use super::{KeyRing, Proof, Refusal, RequestHead, UnixSeconds, Window, parse_timestamp};

/// The longest accepted signature header, in bytes, and the most signatures in it.
pub(super) const MAX_HEADER: usize = 4096;
pub(super) const MAX_CANDIDATES: usize = 16;

/// How one kind of sender signs.
#[derive(Debug)]
pub struct Scheme {
    /// The header that carries the signature.
    pub header: &'static str,
    /// How the signature is written in that header.
    pub layout: Layout,
    /// Where the time of signing stands.
    pub time: Time,
    /// What is signed before the body.
    pub transcript: &'static [Part],
}

/// How a signature header is written.
#[derive(Debug)]
pub enum Layout {
    /// One signature: the prefix, then hexadecimal digits.
    Prefixed(&'static str),
    /// One signature, with or without the prefix.
    MaybePrefixed(&'static str),
    /// A list `key=value,key=value`; of the values under `signature` any may match, the one under
    /// `time` is the timestamp, unknown keys are passed over.
    Pairs {
        /// The key of the timestamp.
        time: &'static str,
        /// The key of the signatures.
        signature: &'static str,
    },
}

/// Where the time of signing stands.
#[derive(Debug)]
pub enum Time {
    /// In a header of its own.
    Header(&'static str, Units),
    /// In the signature header, under the layout's time key.
    InSignature,
}

/// How a timestamp counts.
#[derive(Debug, Clone, Copy)]
pub enum Units {
    /// Whole seconds.
    Seconds,
    /// Ten digits are seconds, thirteen are milliseconds.
    SecondsOrMillis,
}

/// A piece of the signed text before the body.
#[derive(Debug)]
pub enum Part {
    /// These characters.
    Text(&'static str),
    /// The timestamp, as the sender wrote it.
    Timestamp,
    /// The value of a header. `shape` refuses values that would make the text ambiguous, since
    /// separators are not escaped; a header that may be absent counts as empty.
    Header {
        /// Its lower-case name.
        name: &'static str,
        /// Whether it may be absent.
        optional: bool,
        /// Whether a value is acceptable.
        shape: fn(&str) -> bool,
    },
}

/// What the headers say before anything is believed.
struct Statement<'h> {
    timestamp: &'h str,
    signed_at: UnixSeconds,
    candidates: Vec<[u8; 32]>,
}

impl Scheme {
    /// Checks presence, shape and freshness of the headers, without the body.
    ///
    /// # Errors
    /// The [`Refusal`] that proving would give for these headers.
    pub fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        let statement = self.read(head)?;
        self.transcript(head, statement.timestamp)?;
        window.check(statement.signed_at, now).map(drop)
    }

    pub(super) fn prove(
        &self,
        head: &RequestHead,
        body: &[u8],
        keys: &KeyRing,
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let statement = self.read(head)?;
        let transcript = self.transcript(head, statement.timestamp)?;
        let skew = window.check(statement.signed_at, now)?;
        let proof = keys.prove(&transcript, body, &statement.candidates, self.covered())?;
        Ok(proof.with_skew(skew))
    }

    /// The MACs, one for each secret, over what is signed before the body.
    pub(super) fn begin(
        &self,
        head: &RequestHead,
        keys: &KeyRing,
    ) -> Result<Vec<Hmac<Sha256>>, Refusal> {
        let statement = self.read(head)?;
        Ok(keys.begin(&self.transcript(head, statement.timestamp)?))
    }

    /// Proves what [`Scheme::prove`] does, by MACs that were begun with [`Scheme::begin`] for the
    /// same head and have seen the whole body.
    pub(super) fn conclude(
        &self,
        head: &RequestHead,
        macs: &[Hmac<Sha256>],
        keys: &KeyRing,
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let statement = self.read(head)?;
        let skew = window.check(statement.signed_at, now)?;
        let proof = keys.conclude(macs, &statement.candidates, self.covered())?;
        Ok(proof.with_skew(skew))
    }

    fn read<'h>(&self, head: &'h RequestHead) -> Result<Statement<'h>, Refusal> {
        let malformed = || Refusal::Malformed(self.header);
        if head.headers.length(self.header) > MAX_HEADER {
            return Err(malformed());
        }
        let (in_signature, candidates) = match &self.layout {
            Layout::Prefixed(prefix) => {
                let value = head.headers.required_token(self.header)?;
                let digits = value.strip_prefix(prefix).ok_or_else(malformed)?;
                (None, vec![decode(digits).ok_or_else(malformed)?])
            }
            Layout::MaybePrefixed(prefix) => {
                let value = head.headers.required_token(self.header)?;
                let digits = value.strip_prefix(prefix).unwrap_or(value);
                (None, vec![decode(digits).ok_or_else(malformed)?])
            }
            Layout::Pairs { time, signature } => {
                let elements = head.headers.elements(self.header)?;
                let elements = elements.ok_or(Refusal::Missing(self.header))?;
                self.read_pairs(&elements, time, signature)?
            }
        };
        let (timestamp, signed_at) = match self.time {
            Time::Header(name, units) => {
                let text = head.headers.required_token(name)?;
                (text, units.parse(text)?)
            }
            Time::InSignature => {
                let text = in_signature.ok_or_else(malformed)?;
                (text, Units::Seconds.parse(text)?)
            }
        };
        Ok(Statement { timestamp, signed_at, candidates })
    }

    fn read_pairs<'h>(
        &self,
        elements: &[&'h str],
        time: &str,
        signature: &str,
    ) -> Result<(Option<&'h str>, Vec<[u8; 32]>), Refusal> {
        let malformed = || Refusal::Malformed(self.header);
        let mut timestamp = None;
        let mut seen = 0;
        let mut candidates = Vec::new();
        if elements.is_empty() {
            return Err(malformed());
        }
        for pair in elements {
            let (key, text) = pair.split_once('=').ok_or_else(malformed)?;
            let text = text.trim_matches('"');
            if key == time {
                // Two times would let one signature be read as of either; the same one twice is a
                // header that was repeated.
                if timestamp.replace(text).is_some_and(|before| before != text) {
                    return Err(malformed());
                }
            } else if key == signature {
                let mac = decode(text);
                if mac.is_some_and(|mac| candidates.contains(&mac)) {
                    continue;
                }
                seen += 1;
                if seen > MAX_CANDIDATES {
                    return Err(malformed());
                }
                // One bad element does not spoil the list: a rotation may add a longer kind.
                candidates.extend(mac);
            }
        }
        match (seen, candidates.is_empty()) {
            (0, _) => Err(Refusal::Missing(self.header)),
            (_, true) => Err(malformed()),
            _ => Ok((timestamp, candidates)),
        }
    }

    pub(super) fn transcript<'h>(
        &self,
        head: &'h RequestHead,
        timestamp: &'h str,
    ) -> Result<Vec<&'h [u8]>, Refusal> {
        self.transcript
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.as_bytes()),
                Part::Timestamp => Ok(timestamp.as_bytes()),
                Part::Header { name, optional, shape } => {
                    let value = match head.headers.token(name)? {
                        None if *optional => "",
                        None => return Err(Refusal::Missing(name)),
                        Some(value) => value,
                    };
                    let acceptable = (*optional && value.is_empty()) || shape(value);
                    if acceptable { Ok(value.as_bytes()) } else { Err(Refusal::Ambiguous(name)) }
                }
            })
            .collect()
    }

    fn covered(&self) -> Vec<&'static str> {
        let time = match self.time {
            Time::Header(name, _) => Some(name),
            Time::InSignature => None,
        };
        let headers = self.transcript.iter().filter_map(|part| match part {
            Part::Header { name, .. } => Some(*name),
            Part::Text(_) | Part::Timestamp => None,
        });
        headers.chain(time).collect()
    }
}

impl Units {
    fn parse(self, text: &str) -> Result<UnixSeconds, Refusal> {
        match (self, text.len()) {
            (Self::Seconds, _) | (Self::SecondsOrMillis, 10) => parse_timestamp(text),
            (Self::SecondsOrMillis, 13) => {
                let seconds = text.get(..10).ok_or(Refusal::TimestampMalformed)?;
                let millis = text.get(10..).ok_or(Refusal::TimestampMalformed)?;
                if !millis.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Refusal::TimestampMalformed);
                }
                parse_timestamp(seconds)
            }
            (Self::SecondsOrMillis, _) => Err(Refusal::TimestampMalformed),
        }
    }
}

/// A whole MAC from exactly 64 hexadecimal digits of either case: a shorter one would be a weaker
/// claim that must not be compared at all.
fn decode(digits: &str) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    hex::decode_to_slice(digits, &mut mac).ok()?;
    Some(mac)
}

#[cfg(test)]
mod tests;
