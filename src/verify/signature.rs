//! Signature schemes as data, and the engine that runs them.
//!
//! A [`Scheme`] says which header contains the signature and in which format, where the timestamp
//! is, and what text is signed. Every signed text ends in the body; a scheme cannot say otherwise.
//! All schemes here are HMAC-SHA256 in hexadecimal.

use hmac::Hmac;
use sha2::Sha256;

use super::{KeyRing, Proof, Refusal, RequestHead, UnixSeconds, Window, parse_timestamp};

/// The maximum length of a signature header, in bytes, and the maximum number of signatures in it.
pub(super) const MAX_HEADER: usize = 4096;
pub(super) const MAX_CANDIDATES: usize = 16;

/// How one kind of sender signs.
#[derive(Debug)]
pub struct Scheme {
    pub header: &'static str,
    pub layout: Layout,
    pub time: Time,
    /// The parts that are signed before the body.
    pub transcript: &'static [Part],
}

/// The format of a signature header.
#[derive(Debug)]
pub enum Layout {
    /// One signature: the prefix, then hexadecimal digits.
    Prefixed(&'static str),
    /// One signature, with or without the prefix.
    MaybePrefixed(&'static str),
    /// A list `key=value,key=value`. Any value under `signature` may match, the value under `time`
    /// is the timestamp, and unknown keys are ignored.
    Pairs { time: &'static str, signature: &'static str },
}

/// The location of the timestamp.
#[derive(Debug)]
pub enum Time {
    /// In a separate header.
    Header(&'static str, Units),
    /// In the signature header, under the layout's time key.
    InSignature,
}

/// The unit of a timestamp.
#[derive(Debug, Clone, Copy)]
pub enum Units {
    Seconds,
    /// Ten digits are seconds, thirteen are milliseconds.
    SecondsOrMillis,
}

/// A part of the signed text before the body.
#[derive(Debug)]
pub enum Part {
    Text(&'static str),
    /// The timestamp, as the sender wrote it.
    Timestamp,
    /// The value of a header; an absent optional header counts as empty. `shape` rejects values
    /// that would make the text ambiguous, since separators are not escaped.
    Header {
        name: &'static str,
        optional: bool,
        shape: fn(&str) -> bool,
    },
}

/// The MACs over the bytes received so far, one per secret of the source.
pub(super) struct Running {
    pub(super) scheme: &'static Scheme,
    pub(super) macs: Vec<Hmac<Sha256>>,
}

/// The unverified content of the headers.
struct SignatureHeaders<'h> {
    timestamp: &'h str,
    signed_at: UnixSeconds,
    candidates: Vec<[u8; 32]>,
}

impl Scheme {
    /// Checks the presence, shape and freshness of the headers, without the body.
    ///
    /// # Errors
    /// The [`Refusal`] that verification would return for these headers.
    pub fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        let parsed = self.read(head)?;
        self.transcript(head, parsed.timestamp)?;
        window.check(parsed.signed_at, now).map(drop)
    }

    pub(super) fn prove(
        &self,
        head: &RequestHead,
        body: &[u8],
        keys: &KeyRing,
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let parsed = self.read(head)?;
        let transcript = self.transcript(head, parsed.timestamp)?;
        let skew = window.check(parsed.signed_at, now)?;
        let proof = keys.prove(&transcript, body, &parsed.candidates, self.covered())?;
        Ok(proof.with_skew(skew))
    }

    /// The MACs, one per secret, over the parts before the body.
    pub(super) fn begin(
        &self,
        head: &RequestHead,
        keys: &KeyRing,
    ) -> Result<Vec<Hmac<Sha256>>, Refusal> {
        let parsed = self.read(head)?;
        Ok(keys.begin(&self.transcript(head, parsed.timestamp)?))
    }

    /// As [`Scheme::prove`], with MACs from [`Scheme::begin`] for the same head that have been fed
    /// the whole body.
    pub(super) fn conclude(
        &self,
        head: &RequestHead,
        macs: &[Hmac<Sha256>],
        keys: &KeyRing,
        window: Window,
        now: UnixSeconds,
    ) -> Result<Proof, Refusal> {
        let parsed = self.read(head)?;
        let skew = window.check(parsed.signed_at, now)?;
        let proof = keys.conclude(macs, &parsed.candidates, self.covered())?;
        Ok(proof.with_skew(skew))
    }

    fn read<'h>(&self, head: &'h RequestHead) -> Result<SignatureHeaders<'h>, Refusal> {
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
        Ok(SignatureHeaders { timestamp, signed_at, candidates })
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
                // Two different times would let one signature count for either; an identical one is
                // a repeated header.
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
                // One malformed element does not invalidate the list: a rotation may add a longer
                // kind of signature.
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

/// Decodes a MAC from exactly 64 hexadecimal digits of either case. A shorter one would be a weaker
/// claim, which must not be compared at all.
fn decode(digits: &str) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    hex::decode_to_slice(digits, &mut mac).ok()?;
    Some(mac)
}

#[cfg(test)]
mod tests;
