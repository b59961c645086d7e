//! Explanations as text.

use std::fmt::Write as _;

use super::means::{Means, lacks, place};
use super::scheme_hints;
use super::{
    BodyForm, Deviation, Explanation, Finding, HeaderFault, HeaderFormat, Origin, SecretForm,
    SignedBy, TextForm, TimeFault,
};

impl Explanation {
    pub fn verifies(&self) -> bool {
        self.reason.is_none()
    }

    /// The finding in one or two sentences.
    pub fn text(&self) -> String {
        let means = self.means;
        let mut text = match &self.finding {
            Finding::Verifies { skew } => verifies(*skew),
            Finding::TokenExpired => {
                "token valid but expired: accepted only while its run is expected".to_owned()
            }
            Finding::Handshake => {
                "a handshake that brings a secret, while the source accepts none".to_owned()
            }
            Finding::NoSecretYet => {
                "no secret of the source is known here: its sender brings it in a handshake"
                    .to_owned()
            }
            Finding::AnotherSource => {
                "wrong source: the id in the headers belongs to another source".to_owned()
            }
            Finding::Header(header, fault) => header_fault(header, *fault),
            Finding::HeaderFormat(header @ ("body" | "query"), format) => {
                format!("{} {}", place(header), format.text())
            }
            Finding::HeaderFormat(header, format) => {
                format!("the signature in `{header}` {}", format.text())
            }
            Finding::Shape(header) => format!("{} is malformed", place(header)),
            Finding::Timestamp(fault) => fault.text().to_owned(),
            Finding::Stale { beyond, .. } if means.is_token => {
                format!("too old: the token was valid until {beyond} s before arrival")
            }
            Finding::Future { beyond, .. } if means.is_token => {
                format!("in the future: the token is valid only from {beyond} s after arrival")
            }
            Finding::Stale { beyond, age } => format!(
                "too old: signed {age} s before arrival, {beyond} s over the source's limit"
            ),
            Finding::Future { beyond, ahead } => format!(
                "in the future: signed {ahead} s after arrival, {beyond} s over the source's limit"
            ),
            Finding::Character(header) => {
                format!("`{header}` is empty, too long, or contains a forbidden character")
            }
            Finding::NotAllowed(what) => format!("{what} is not in the source's allow list"),
            Finding::NotEnabled(option) => {
                format!("signed in a way that the source accepts only with the option `{option}`")
            }
            Finding::Lacks(what) => lacks(what),
            Finding::Differs(requirement) => requirement.text().to_owned(),
            Finding::InvalidSignature => means.invalid().to_owned(),
            Finding::OtherCredential => {
                "valid signature, but another required credential, such as a token, is wrong"
                    .to_owned()
            }
            Finding::Body(fault) => format!("{}, and the body {}", means.no_match(), fault.text()),
            Finding::NoMatch => means.no_match_because(),
        };
        let valid = matches!(self.finding, Finding::Verifies { .. } | Finding::OtherCredential);
        // Writing to a string cannot fail.
        match &self.made {
            Some(made) if valid => write!(text, " ({})", made.secret_label(means)),
            Some(made) if made.is_conforming() => {
                write!(text, "; otherwise valid ({})", made.secret_label(means))
            }
            Some(made) => write!(text, ": {}", made.text(means)),
            None if matches!(self.finding, Finding::Stale { .. } | Finding::Future { .. }) => {
                write!(text, "; also, {}", means.no_match())
            }
            None => Ok(()),
        }
        .ok();
        if self.cut {
            text.push_str("; the body is large, so not every possible change was tried");
        }
        text
    }

    /// The suggested fix, if there is one.
    pub fn hint(&self) -> Option<String> {
        let deviation = self.made.as_ref().and_then(|made| made.deviations.last());
        if self.means.is_own_scheme
            && let Some(hint) = scheme_hints::hint(&self.finding, deviation)
        {
            return Some(hint.to_owned());
        }
        let fixed = match &self.finding {
            Finding::Verifies { .. } => return None,
            Finding::NotEnabled(option) => {
                return Some(format!(
                    "let the sender sign in the newer way, or set `{option} = true` in the source's \
                     `options`"
                ));
            }
            Finding::InvalidSignature => match (deviation, &self.made) {
                (Some(deviation), _) => deviation.hint(),
                (None, Some(SignedBy { origin: Origin::Retired, .. })) => {
                    "give the sender the current secret, or add the retired one to `secrets` until \
                     the sender has switched"
                }
                (None, _) => "add the secret to the source's `secrets`",
            },
            Finding::TokenExpired => "start a new run, or raise the source's `token_ttl`",
            Finding::Handshake | Finding::NoSecretYet => {
                "open a window with `sealpost sources accept-handshake NAME`, then let the sender \
                 repeat the handshake; a command without `--url` knows no secret that is stored"
            }
            Finding::AnotherSource => "find the source with this id, and give the sender its path",
            Finding::Header(_, HeaderFault::Missing) => {
                "check whether a proxy drops the header, and whether the sender signs at all"
            }
            Finding::Header(_, HeaderFault::Repeated) => {
                "look for a proxy that adds the header again: a repeated header is ambiguous"
            }
            Finding::Header(..) | Finding::Shape(_) | Finding::Character(_) => {
                "compare the header with the sender's documentation"
            }
            Finding::HeaderFormat(_, format) => format.hint(),
            Finding::Timestamp(TimeFault::Unit) => {
                "write the timestamp as in the sender's documentation"
            }
            Finding::Timestamp(_) => "send the timestamp as whole Unix seconds, digits only",
            // A stale request that no secret signed would be rejected even when fresh.
            Finding::Stale { .. } | Finding::Future { .. } if self.made.is_none() => {
                self.means.no_match_hint()
            }
            Finding::Stale { .. } if self.means.is_token => {
                "compare both clocks; the sender has to make a new token for every attempt"
            }
            Finding::Stale { .. } => {
                "compare both clocks; if the sender retries old requests without signing them \
                 again, raise the source's `max_age`"
            }
            Finding::Future { .. } => {
                "compare both clocks: the sender's is ahead, or this machine's is behind"
            }
            Finding::NotAllowed(_) => "add it to the source's allow list if it is legitimate",
            Finding::OtherCredential => "compare the source's `token` with the sender's",
            Finding::Body(fault) => fault.hint(),
            Finding::NoMatch => self.means.no_match_hint(),
            Finding::Lacks("the public URL") => {
                "set `ingest.public_url`, or the source's `url` as it is entered at the sender"
            }
            Finding::Lacks(_) => {
                "compare the request with the sender's documentation, and record it as it arrives"
            }
            Finding::Differs(requirement) => requirement.hint(),
        };
        Some(fixed.to_owned())
    }
}

impl SignedBy {
    fn secret_label(&self, means: Means) -> String {
        let origin = match self.origin {
            Origin::Configured => "",
            Origin::Retired => "retired ",
            Origin::Offered => "offered ",
            Origin::Published => return format!("published key {}", self.secret),
        };
        format!("{origin}{} {}", means.key(), self.secret)
    }

    fn text(&self, means: Means) -> String {
        let mut text = format!("{} {}", means.made(), self.secret_label(means));
        for deviation in &self.deviations {
            text.push_str(", ");
            match deviation {
                Deviation::HeaderFormat(format) => {
                    text.push_str("but it ");
                    text.push_str(&format.text());
                }
                Deviation::Secret(form) => text.push_str(form.text()),
                Deviation::Text(form) => text.push_str(form.text()),
                Deviation::Body(form) => text.push_str(&form.text()),
            }
        }
        text
    }
}

impl Deviation {
    fn hint(&self) -> &'static str {
        match self {
            Self::HeaderFormat(format) => format.hint(),
            Self::Secret(SecretForm::Base64Decoded | SecretForm::HexDecoded) => {
                "use the secret's text as the HMAC key: do not decode it"
            }
            Self::Secret(SecretForm::Undecoded) => {
                "decode the secret into the key, as the sender's documentation says"
            }
            Self::Secret(SecretForm::WithoutPrefix | SecretForm::WithPrefix) => {
                "use the whole text of the secret as the key, including its prefix"
            }
            Self::Secret(_) => {
                "remove the extra characters around the secret in the sender's configuration"
            }
            Self::Text(TextForm::BodyAlone) => {
                "sign the timestamp too, as the sender's documentation says: without it a captured \
                 request could be replayed forever"
            }
            Self::Text(TextForm::BodyOnly) => {
                "make the sender sign the whole text, as the source expects it"
            }
            Self::Text(TextForm::Other) => {
                "change the source's `form`, or make the sender use the source's signature form"
            }
            Self::Text(_) => "sign the timestamp exactly as it is in the header",
            Self::Body(BodyForm::Rewritten(_) | BodyForm::EncodedTwice) => {
                "send exactly the bytes that were signed: serialise the JSON once, sign that text, \
                 send that text"
            }
            Self::Body(BodyForm::Base64) => {
                "configure the gateway in front to pass the body through unchanged: some encode \
                 bodies that they take for binary"
            }
            Self::Body(BodyForm::FormEncoded) => {
                "send the body as it was signed, with `Content-Type: application/json`"
            }
            Self::Body(_) => "look for what changes the body between the sender and Sealpost",
        }
    }
}

impl HeaderFormat {
    fn text(&self) -> String {
        match self {
            Self::Base64 => "is base64, expected hexadecimal".to_owned(),
            Self::Base64Url => "is URL-safe base64, expected hexadecimal".to_owned(),
            Self::Hex => "is hexadecimal, expected base64".to_owned(),
            Self::OtherBase64 => "is base64 with another alphabet or padding".to_owned(),
            Self::NoPrefix(prefix) => format!("lacks the prefix `{prefix}`"),
            Self::Prefix { expected: Some(expected), found } => {
                format!("begins with `{found}`, expected `{expected}`")
            }
            Self::Prefix { expected: None, found } => {
                format!("begins with `{found}`, expected no prefix")
            }
            Self::Blanks => "has extra spaces or quotes".to_owned(),
            Self::Digits(count) => format!(
                "has {count} hexadecimal digits{}, expected 64 for HMAC-SHA256",
                match count {
                    40 => " (HMAC-SHA1)",
                    96 => " (HMAC-SHA384)",
                    128 => " (HMAC-SHA512)",
                    _ => "",
                }
            ),
            Self::Length { found, expected } => format!("has {found} bytes, expected {expected}"),
            Self::NoElement("") => "lacks a part".to_owned(),
            Self::NoElement(literal) => format!("has no `{literal}`"),
            Self::Twice(literal) => format!("has `{literal}` twice"),
            Self::TooLong => "is longer than any signature".to_owned(),
            Self::Unreadable => {
                "is neither hexadecimal nor base64 of the expected length".to_owned()
            }
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Base64 | Self::Base64Url => "make the sender encode the MAC as hexadecimal",
            Self::Hex => "make the sender encode the MAC as base64",
            Self::NoPrefix(_) | Self::Prefix { .. } => "use the expected prefix",
            Self::Digits(_) => "sign with HMAC-SHA256 and send the full digest",
            Self::Length { .. } => "sign with the expected algorithm and send the full digest",
            _ => "format the header as in the sender's documentation",
        }
    }
}

impl SecretForm {
    fn text(self) -> &'static str {
        match self {
            Self::Newline => "with a trailing line break",
            Self::Blanks => "with a leading or trailing space",
            Self::Quoted => "with quotes around it",
            Self::WithoutPrefix => "without its prefix `whsec_`",
            Self::WithPrefix => "with an extra prefix `whsec_`",
            Self::Base64Decoded => "decoded as base64",
            Self::HexDecoded => "decoded as hexadecimal",
            Self::Undecoded => "as it is written, without decoding it",
        }
    }
}

impl TextForm {
    fn text(self) -> &'static str {
        match self {
            Self::Millis => "over the timestamp in milliseconds, but the header has seconds",
            Self::Seconds => "over the timestamp in seconds, but the header has milliseconds",
            Self::BodyAlone => "over the body alone, without the timestamp",
            Self::BodyOnly => "over the body alone, although more is expected",
            Self::Other => "in a signature form that the source does not accept for this request",
        }
    }
}

impl TimeFault {
    fn text(self) -> &'static str {
        match self {
            Self::Millis => "invalid timestamp: milliseconds, expected seconds",
            Self::Finer => "invalid timestamp: micro- or nanoseconds, expected seconds",
            Self::Date => "invalid timestamp: a date, expected Unix seconds",
            Self::Fraction => "invalid timestamp: fractional, expected whole seconds",
            Self::Number => "invalid timestamp: not a decimal number of seconds",
            Self::Unit => "invalid timestamp: not in the expected format",
        }
    }
}

fn verifies(skew: Option<i64>) -> String {
    match skew {
        None => "valid signature".to_owned(),
        Some(skew @ ..0) => {
            format!("valid signature: signed {} s after arrival", skew.unsigned_abs())
        }
        Some(skew) => format!("valid signature: signed {skew} s before arrival"),
    }
}

fn header_fault(header: &str, fault: HeaderFault) -> String {
    match fault {
        HeaderFault::Missing => format!("`{header}` is missing"),
        HeaderFault::Repeated => format!("`{header}` is repeated"),
        HeaderFault::NotVisible => {
            format!("`{header}` contains characters other than visible ASCII")
        }
        HeaderFault::Empty => format!("`{header}` is empty"),
    }
}
