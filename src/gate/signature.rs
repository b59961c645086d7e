//! Signature schemes as data, and the one engine that runs them.
//!
//! A [`Scheme`] says in which header the signature stands and how it is written there, where the
//! time stands, and what text is signed. Every signed text ends in the body; a scheme cannot say
//! otherwise. All schemes here are HMAC-SHA256 in hexadecimal.

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

    fn read<'h>(&self, head: &'h RequestHead) -> Result<Statement<'h>, Refusal> {
        let malformed = || Refusal::Malformed(self.header);
        let value = head.headers.required(self.header)?;
        if value.len() > MAX_HEADER {
            return Err(malformed());
        }
        let (in_signature, candidates) = match &self.layout {
            Layout::Prefixed(prefix) => {
                let digits = value.strip_prefix(prefix).ok_or_else(malformed)?;
                (None, vec![decode(digits).ok_or_else(malformed)?])
            }
            Layout::MaybePrefixed(prefix) => {
                let digits = value.strip_prefix(prefix).unwrap_or(value);
                (None, vec![decode(digits).ok_or_else(malformed)?])
            }
            Layout::Pairs { time, signature } => self.read_pairs(value, time, signature)?,
        };
        let (timestamp, signed_at) = match self.time {
            Time::Header(name, units) => {
                let text = head.headers.required(name)?;
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
        value: &'h str,
        time: &str,
        signature: &str,
    ) -> Result<(Option<&'h str>, Vec<[u8; 32]>), Refusal> {
        let malformed = || Refusal::Malformed(self.header);
        let mut timestamp = None;
        let mut seen = 0;
        let mut candidates = Vec::new();
        for pair in value.split(',') {
            let (key, text) = pair.split_once('=').ok_or_else(malformed)?;
            if key == time {
                // Two times would let one signature be read as of either.
                if timestamp.replace(text).is_some() {
                    return Err(malformed());
                }
            } else if key == signature {
                seen += 1;
                if seen > MAX_CANDIDATES {
                    return Err(malformed());
                }
                // One bad element does not spoil the list: a rotation may add a longer kind.
                candidates.extend(decode(text));
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
                    let value = match head.headers.single(name)? {
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
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::gate::{Headers, Secret};

    const STAMPED: Scheme = Scheme {
        header: "x-signature",
        layout: Layout::Prefixed("sha256="),
        time: Time::Header("x-timestamp", Units::Seconds),
        transcript: &[Part::Timestamp, Part::Text(".")],
    };
    const LISTED: Scheme = Scheme {
        header: "x-signature",
        layout: Layout::Pairs { time: "t", signature: "v1" },
        time: Time::InSignature,
        transcript: &[Part::Timestamp, Part::Text(".")],
    };
    const NOW: UnixSeconds = 1_700_000_000;
    const WINDOW: Window = Window { max_age: 300, max_future: 300 };

    fn secret() -> Secret {
        Secret::new("a-secret-of-good-length").unwrap()
    }

    fn good() -> String {
        hex::encode(secret().sign(&[b"1700000000.", b"body"]))
    }

    fn head(headers: &[(&'static str, &str)]) -> RequestHead {
        let mut head = RequestHead::default();
        for (name, value) in headers {
            head.headers.push(name, Bytes::copy_from_slice(value.as_bytes()));
        }
        head
    }

    fn check(scheme: &Scheme, head: &RequestHead) -> Result<Proof, Refusal> {
        let ring = KeyRing::new(vec![secret()]).unwrap();
        scheme.prove(head, b"body", &ring, WINDOW, NOW)
    }

    #[test]
    fn a_right_signature_of_either_case_is_accepted() {
        for digits in [good(), good().to_uppercase()] {
            let head = head(&[
                ("x-signature", &format!("sha256={digits}")),
                ("x-timestamp", "1700000000"),
            ]);
            assert_eq!(check(&STAMPED, &head).unwrap().skew, Some(0));
        }
    }

    #[test]
    fn anything_but_one_whole_signature_is_refused() {
        let good = good();
        for bad in [
            String::new(),
            "sha256=".into(),
            good.clone(),
            format!("SHA256={good}"),
            format!("sha256=sha256={good}"),
            format!("xsha256={good}"),
            format!("sha256= {good}"),
            format!("sha256={}", &good.split_at(2).0),
            format!("sha256={}", &good.split_at(62).0),
            format!("sha256={good}00"),
            format!("sha256={good},sha256={good}"),
            format!("sha256=0x{}", &good.split_at(2).1),
        ] {
            let head = head(&[("x-signature", &bad), ("x-timestamp", "1700000000")]);
            assert!(matches!(check(&STAMPED, &head), Err(Refusal::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn one_wrong_digit_anywhere_is_a_mismatch() {
        let good = good();
        for place in 0..64 {
            let mut digits = good.clone().into_bytes();
            digits[place] = if digits[place] == b'0' { b'1' } else { b'0' };
            let digits = String::from_utf8(digits).unwrap();
            let head = head(&[
                ("x-signature", &format!("sha256={digits}")),
                ("x-timestamp", "1700000000"),
            ]);
            assert!(matches!(check(&STAMPED, &head), Err(Refusal::Mismatch)), "digit {place}");
        }
    }

    #[test]
    fn a_header_that_stands_twice_is_refused_even_when_both_are_right() {
        let value = format!("sha256={}", good());
        let head = head(&[
            ("x-signature", &value),
            ("x-signature", &value),
            ("x-timestamp", "1700000000"),
        ]);
        assert!(matches!(check(&STAMPED, &head), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn a_list_is_taken_in_any_order_with_unknown_and_bad_elements_between() {
        let good = good();
        let noise = "0".repeat(64);
        for value in [
            format!("t=1700000000,v1={good}"),
            format!("v1={good},t=1700000000"),
            format!("t=1700000000,v1={noise},v1=short,v0={noise},v1={good}"),
        ] {
            let head = head(&[("x-signature", &value)]);
            assert!(check(&LISTED, &head).is_ok(), "{value}");
        }
    }

    #[test]
    fn a_list_without_its_parts_is_refused() {
        let good = good();
        for (value, reason) in [
            (format!("t=1700000000,v0={good}"), "sig_missing"),
            ("t=1700000000".into(), "sig_missing"),
            (format!("v1={good}"), "sig_malformed"),
            (format!("t=1700000000,t=1700000001,v1={good}"), "sig_malformed"),
            ("t=1700000000,v1=1234567890".into(), "sig_malformed"),
            ("t=1700000000,v1=".into(), "sig_malformed"),
            (format!("t=Infinity,v1={good}"), "ts_malformed"),
            (format!("t=NaN,v1={good}"), "ts_malformed"),
            (format!("t=1700000000{}", format!(",v1={good}").repeat(17)), "sig_malformed"),
        ] {
            let head = head(&[("x-signature", &value)]);
            assert_eq!(check(&LISTED, &head).unwrap_err().reason(), reason, "{value}");
        }
    }

    #[test]
    fn the_time_is_part_of_what_is_signed() {
        let head =
            head(&[("x-signature", &format!("sha256={}", good())), ("x-timestamp", "1700000001")]);
        assert!(matches!(check(&STAMPED, &head), Err(Refusal::Mismatch)));
    }

    proptest! {
        #[test]
        fn no_header_bytes_whatever_reach_a_panic_or_a_proof(
            signature in proptest::collection::vec(any::<u8>(), 0..200),
            timestamp in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut headers = Headers::default();
            headers.push("x-signature", Bytes::from(signature));
            headers.push("x-timestamp", Bytes::from(timestamp));
            let head = RequestHead { headers, ..RequestHead::default() };
            prop_assert!(check(&STAMPED, &head).is_err());
            prop_assert!(check(&LISTED, &head).is_err());
        }
    }
}
