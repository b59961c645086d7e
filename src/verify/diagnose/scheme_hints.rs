//! Hints where the scheme is the user's own: what may have to be changed in `[source.scheme]`.

use super::{
    Deviation, Finding, HeaderFault, HeaderFormat, Requirement, SecretForm, TextForm, TimeFault,
};

/// The hint for a finding; `None` if it has nothing to do with the scheme.
pub(super) fn hint(finding: &Finding, deviation: Option<&Deviation>) -> Option<&'static str> {
    Some(match finding {
        Finding::InvalidSignature => return of_deviation(deviation?),
        Finding::HeaderFormat(_, format) => of_format(format),
        Finding::Header(_, HeaderFault::Missing) => {
            "compare the names of the headers in the scheme with those that the sender sends; look \
             for a proxy that drops the header"
        }
        Finding::Header(_, HeaderFault::Repeated) | Finding::Lacks("the public URL") => {
            return None;
        }
        Finding::Header(..) | Finding::Shape(_) | Finding::Character(_) => {
            "compare `signature`, `timestamp` and `signed` of the scheme with the header"
        }
        Finding::Timestamp(TimeFault::Millis) => {
            "set `unit = \"milliseconds\"` in `timestamp` of the scheme"
        }
        Finding::Timestamp(TimeFault::Date) => {
            "set `unit = \"rfc3339\"` or `\"http-date\"` in `timestamp` of the scheme"
        }
        Finding::Timestamp(_) => {
            "compare `from` and `unit` in `timestamp` of the scheme with what the sender writes"
        }
        Finding::Lacks(_) => {
            "compare `signed` of the scheme with the request, and record it as it arrives"
        }
        Finding::Differs(Requirement::Claim) => {
            "compare `claims` in `jwt` of the scheme with the token"
        }
        Finding::Differs(Requirement::Value) => {
            "compare `require` of the scheme with the request: it may be for somebody else"
        }
        Finding::NoMatch => {
            "compare the fingerprints in `sealpost check` with the sender's secret, then \
             `algorithm`, `signed` and `key` of the scheme with the sender's documentation"
        }
        _ => return None,
    })
}

fn of_deviation(deviation: &Deviation) -> Option<&'static str> {
    Some(match deviation {
        Deviation::HeaderFormat(format) => of_format(format),
        Deviation::Secret(SecretForm::Base64Decoded) => {
            "set `key = { encoding = \"base64\" }` in the scheme: the sender decodes the secret"
        }
        Deviation::Secret(SecretForm::HexDecoded) => {
            "set `key = { encoding = \"hex\" }` in the scheme: the sender decodes the secret"
        }
        Deviation::Secret(SecretForm::Undecoded) => {
            "remove `encoding` and `strip` from `key` of the scheme: the sender uses the secret's \
             text"
        }
        Deviation::Secret(SecretForm::WithoutPrefix) => {
            "set `key = { strip = [\"whsec_\"] }` in the scheme: the sender leaves the prefix out"
        }
        Deviation::Secret(SecretForm::WithPrefix) => {
            "add the prefix `whsec_` to the source's secret: the sender uses it"
        }
        Deviation::Text(TextForm::BodyAlone | TextForm::BodyOnly) => {
            "set `signed = \"{body}\"` in the scheme if the sender signs nothing else; without a \
             signed time an old request stays valid"
        }
        _ => return None,
    })
}

fn of_format(format: &HeaderFormat) -> &'static str {
    match format {
        HeaderFormat::Base64 => "set `encoding = \"base64\"` in `signature` of the scheme",
        HeaderFormat::Base64Url => "set `encoding = \"base64url\"` in `signature` of the scheme",
        HeaderFormat::Hex => "set `encoding = \"hex\"` in `signature` of the scheme",
        HeaderFormat::NoPrefix(_) | HeaderFormat::Prefix { .. } => {
            "set `prefix` in `signature` of the scheme to what the sender writes"
        }
        HeaderFormat::Digits(_) | HeaderFormat::Length { .. } => {
            "compare `algorithm` of the scheme with the sender's documentation: the length differs"
        }
        HeaderFormat::NoElement(_) | HeaderFormat::Twice(_) => {
            "compare `format` in `signature` of the scheme with what the sender writes"
        }
        _ => "compare `signature` of the scheme with what the sender writes",
    }
}
