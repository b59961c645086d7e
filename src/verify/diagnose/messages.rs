//! An explanation in words.

use std::fmt::Write as _;

use super::{
    BodyForm, Departure, Explanation, Finding, HeaderFault, HeaderFormat, Made, Origin, SecretForm,
    TextForm, TimeFault,
};

/// What to do where no secret made the signature.
const NOBODY: &str = "compare the fingerprints of `sealpost check` with the sender's secret; look for a proxy or a \
     framework that parses the body before it is signed or sent";

impl Explanation {
    /// Whether the request is let in.
    pub fn verifies(&self) -> bool {
        self.reason.is_none()
    }

    /// The closed word of what is found, for programs.
    pub fn word(&self) -> &'static str {
        match &self.finding {
            Finding::Verifies { .. } => "pauses",
            Finding::PastItsTime => "past_its_time",
            Finding::AnotherSource => "another_source",
            Finding::Header(_, HeaderFault::Missing) => "header_missing",
            Finding::Header(_, HeaderFault::Doubled) => "header_doubled",
            Finding::Header(..) | Finding::Shape(_) => "header_malformed",
            Finding::HeaderFormat(..) => "signature_spelling",
            Finding::Timestamp(_) => "timestamp_malformed",
            Finding::Stale { .. } => "stale",
            Finding::Future { .. } => "future",
            Finding::Character(_) => "character",
            Finding::NotAllowed(_) => "not_allowed",
            Finding::Departs => self.made.as_ref().map_or("departs", Made::word),
            Finding::SomethingBeside => "something_beside",
            Finding::Body(fault) => fault.word(),
            Finding::Nobody => "no_secret",
        }
    }

    /// What is found, in one or two sentences.
    pub fn text(&self) -> String {
        let mut text = match &self.finding {
            Finding::Verifies { skew } => verifies(*skew),
            Finding::PastItsTime => {
                "its token holds, and is past its time: it is let in only while its run is awaited"
                    .to_owned()
            }
            Finding::AnotherSource => {
                "it is for another source: the id in its headers is not this source's".to_owned()
            }
            Finding::Header(header, fault) => header_fault(header, *fault),
            Finding::HeaderFormat(header, spelling) => {
                format!("the signature in `{header}` {}", spelling.text())
            }
            Finding::Shape(header) => format!("`{header}` does not have its shape"),
            Finding::Timestamp(fault) => fault.text().to_owned(),
            Finding::Stale { beyond, age } => format!(
                "it was signed {age} s before it arrived, {beyond} s more than the source allows"
            ),
            Finding::Future { beyond, ahead } => format!(
                "it was signed for {ahead} s after it arrived, {beyond} s more than the source \
                 allows"
            ),
            Finding::Character(header) => {
                format!("`{header}` is empty, too long, or holds a character that it may not hold")
            }
            Finding::NotAllowed(what) => format!("{what} is not on the source's list"),
            Finding::Departs => "the signature is not what the gate asks for".to_owned(),
            Finding::SomethingBeside => {
                "the signature holds, but something beside it that the source asks for, such as a \
                 token, is not right"
                    .to_owned()
            }
            Finding::Body(fault) => {
                format!("no configured secret made this signature, and the body {}", fault.text())
            }
            Finding::Nobody => {
                "no configured secret made this signature: wrong key, or the body was changed in a \
                 way that cannot be undone"
                    .to_owned()
            }
        };
        let beside = matches!(self.finding, Finding::Verifies { .. } | Finding::SomethingBeside);
        // Writing to a string cannot fail.
        match &self.made {
            Some(made) if beside => write!(text, " ({})", made.who()),
            Some(made) if made.is_as_asked() => {
                write!(text, "; otherwise it holds ({})", made.who())
            }
            Some(made) => write!(text, ": {}", made.text()),
            None if matches!(self.finding, Finding::Stale { .. } | Finding::Future { .. }) => {
                write!(text, "; besides, no configured secret made its signature")
            }
            None => Ok(()),
        }
        .ok();
        if self.cut {
            text.push_str("; the body is large, and not every change to it was tried");
        }
        text
    }

    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let departure = self.made.as_ref().and_then(|made| made.departures.last());
        let fixed = match &self.finding {
            Finding::Verifies { .. } => return None,
            Finding::Departs => match (departure, &self.made) {
                (Some(departure), _) => departure.hint(),
                (None, Some(Made { origin: Origin::Retired, .. })) => {
                    "give the sender the present secret, or add the retired one to `secrets` until \
                     it has changed over"
                }
                (None, _) => "add the secret to the source's `secrets`",
            },
            Finding::PastItsTime => "start a new run, or raise `token_ttl` of the source",
            Finding::AnotherSource => "look which source has this id, and give the sender its path",
            Finding::Header(_, HeaderFault::Missing) => {
                "look whether a proxy drops the header, and whether the sender signs at all"
            }
            Finding::Header(_, HeaderFault::Doubled) => {
                "look for a proxy that adds the header again: two values would be read differently \
                 by different readers"
            }
            Finding::Header(..) | Finding::Shape(_) | Finding::Character(_) => {
                "compare the header with what the sender's documentation shows"
            }
            Finding::HeaderFormat(_, spelling) => spelling.hint(),
            Finding::Timestamp(_) => "write the time as whole seconds since 1970, digits only",
            // However old it is: it would be refused when it is fresh, too.
            Finding::Stale { .. } | Finding::Future { .. } if self.made.is_none() => NOBODY,
            Finding::Stale { .. } => {
                "compare both clocks; if the sender repeats old requests without signing them \
                 afresh, raise `max_age` of the source"
            }
            Finding::Future { .. } => {
                "compare both clocks; the sender's runs ahead, or ours is behind"
            }
            Finding::NotAllowed(_) => "add it to the source's list if it belongs there",
            Finding::SomethingBeside => "compare the source's `token` with what the sender has",
            Finding::Body(fault) => fault.hint(),
            Finding::Nobody => NOBODY,
        };
        Some(fixed.to_owned())
    }
}

impl Made {
    fn word(&self) -> &'static str {
        match (self.departures.last(), self.origin) {
            (Some(Departure::HeaderFormat(_)), _) => "signature_spelling",
            (Some(Departure::Secret(_)), _) => "secret_form",
            (Some(Departure::Text(_)), _) => "signed_text",
            (Some(Departure::Body(_)), _) => "body_changed",
            (None, Origin::Retired) => "retired_secret",
            (None, _) => "offered_secret",
        }
    }

    fn who(&self) -> String {
        let whose = match self.origin {
            Origin::ConfiguredDestination => "secret",
            Origin::Retired => "retired secret",
            Origin::Offered => "offered secret",
        };
        format!("{whose} {}", self.secret)
    }

    fn text(&self) -> String {
        let mut text = format!("it was made with {}", self.who());
        for departure in &self.departures {
            text.push_str(", ");
            match departure {
                Departure::HeaderFormat(spelling) => {
                    text.push_str("but it ");
                    text.push_str(&spelling.text());
                }
                Departure::Secret(form) => text.push_str(form.text()),
                Departure::Text(form) => text.push_str(form.text()),
                Departure::Body(form) => text.push_str(&form.text()),
            }
        }
        text
    }
}

impl Departure {
    fn hint(&self) -> &'static str {
        match self {
            Self::HeaderFormat(spelling) => spelling.hint(),
            Self::Secret(SecretForm::Base64Decoded | SecretForm::HexDecoded) => {
                "use the text of the secret as it is, as the key of the HMAC: do not decode it"
            }
            Self::Secret(SecretForm::WithoutPrefix | SecretForm::WithPrefix) => {
                "the whole text of the secret is the key, with the prefix that it has"
            }
            Self::Secret(_) => "take what surrounds the secret out of the sender's configuration",
            Self::Text(TextForm::BodyAlone) => {
                "sign the time too, as the sender's documentation says: without it a captured \
                 request could be sent again for ever"
            }
            Self::Text(TextForm::Other) => {
                "change the source's `form`, or let the sender sign in the form that it takes"
            }
            Self::Text(_) => "sign the time exactly as the header has it",
            Self::Body(BodyForm::Rewritten(_) | BodyForm::EncodedTwice) => {
                "send the very bytes that were signed: write the JSON once, sign that text, send \
                 that text"
            }
            Self::Body(BodyForm::Base64) => {
                "let the gateway in front hand the body on as it is: some encode what they take for \
                 binary"
            }
            Self::Body(BodyForm::FormEncoded) => {
                "send the body as it was signed, with `Content-Type: application/json`"
            }
            Self::Body(_) => "look for what changes the body between signing and here",
        }
    }
}

impl HeaderFormat {
    fn text(&self) -> String {
        match self {
            Self::Base64 => "is base64, and hexadecimal digits are asked for".to_owned(),
            Self::Base64Url => {
                "is URL-safe base64, and hexadecimal digits are asked for".to_owned()
            }
            Self::NoPrefix(prefix) => format!("lacks the prefix `{prefix}`"),
            Self::Prefix { expected: Some(expected), found } => {
                format!("begins with `{found}`, and `{expected}` is asked for")
            }
            Self::Prefix { expected: None, found } => {
                format!("begins with `{found}`, and no prefix is asked for")
            }
            Self::Blanks => "has blanks or quotes that do not belong there".to_owned(),
            Self::Digits(count) => format!(
                "has {count} hexadecimal digits{}, and HMAC-SHA256 has 64",
                match count {
                    40 => " as HMAC-SHA1 has",
                    96 => " as HMAC-SHA384 has",
                    128 => " as HMAC-SHA512 has",
                    _ => "",
                }
            ),
            Self::NoElement(name) => format!("has no `{name}=`"),
            Self::Twice(name) => format!("has `{name}=` twice"),
            Self::TooLong => "is longer than any signature".to_owned(),
            Self::Unreadable => "is not 64 hexadecimal digits".to_owned(),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Base64 | Self::Base64Url => "let the sender write the MAC as hexadecimal digits",
            Self::NoPrefix(_) | Self::Prefix { .. } => "write the prefix as asked for",
            Self::Digits(_) => "sign with HMAC-SHA256 and send the whole of it",
            _ => "write the header as the sender's documentation shows it",
        }
    }
}

impl SecretForm {
    fn text(self) -> &'static str {
        match self {
            Self::Newline => "with a line break at its end",
            Self::Blanks => "with a blank beside it",
            Self::Quoted => "with quotes around it",
            Self::WithoutPrefix => "without its prefix `whsec_`",
            Self::WithPrefix => "with a prefix `whsec_` that it does not have",
            Self::Base64Decoded => "decoded as base64",
            Self::HexDecoded => "decoded as hexadecimal digits",
        }
    }
}

impl TextForm {
    fn text(self) -> &'static str {
        match self {
            Self::Millis => "over the time in milliseconds, and the header has seconds",
            Self::Seconds => "over the time in seconds, and the header has milliseconds",
            Self::BodyAlone => "over the body alone, without the time",
            Self::Other => "in a form of signature that the source does not take for this request",
        }
    }
}

impl TimeFault {
    fn text(self) -> &'static str {
        match self {
            Self::Millis => "the time is in milliseconds, and seconds are asked for",
            Self::Finer => "the time is in micro- or nanoseconds, and seconds are asked for",
            Self::Date => "the time is a date, and seconds since 1970 are asked for",
            Self::Fraction => "the time has a fraction, and whole seconds are asked for",
            Self::Number => "the time is no plain decimal number of seconds",
        }
    }
}

fn verifies(skew: Option<i64>) -> String {
    match skew {
        None => "it holds".to_owned(),
        Some(skew @ ..0) => format!("it holds: signed {} s after it arrived", skew.unsigned_abs()),
        Some(skew) => format!("it holds: signed {skew} s before it arrived"),
    }
}

fn header_fault(header: &str, fault: HeaderFault) -> String {
    match fault {
        HeaderFault::Missing => format!("`{header}` is missing"),
        HeaderFault::Doubled => format!("`{header}` is there more than once"),
        HeaderFault::NotVisible => format!("`{header}` holds something else than visible ASCII"),
        HeaderFault::Empty => format!("`{header}` is empty"),
    }
}
