//! Metadata of a request that is not signed: for display only, never part of a proof.

use std::net::IpAddr;

/// Unsigned metadata of a request: what it says about itself and where it came from. It is stored
/// for display, under names that no header can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SenderInfo(Vec<(&'static str, String)>);

impl SenderInfo {
    /// The content type of a form.
    pub const FORM: &[u8] = b"application/x-www-form-urlencoded";

    /// The maximum length of a stored value, in characters.
    const MAX_CHARS: usize = 200;
    const CONTENT_TYPE: &'static str = ":content-type";
    const USER_AGENT: &'static str = ":user-agent";
    const PEER: &'static str = ":peer";

    pub fn new(content_type: Option<&[u8]>, user_agent: Option<&[u8]>) -> Self {
        let all = [(Self::CONTENT_TYPE, content_type), (Self::USER_AGENT, user_agent)];
        Self(all.into_iter().filter_map(|(name, value)| Some((name, text(value?)))).collect())
    }

    /// Restores stored metadata: the entries with the names of [`SenderInfo::iter`]; others are
    /// ignored.
    pub fn restore<'r>(all: impl IntoIterator<Item = (&'r str, &'r [u8])>) -> Self {
        let names = [Self::CONTENT_TYPE, Self::USER_AGENT, Self::PEER];
        let known = |(name, value): (&str, &[u8])| {
            Some((names.into_iter().find(|known| *known == name)?, text(value)))
        };
        Self(all.into_iter().filter_map(known).collect())
    }

    /// Records the peer address, if known.
    pub fn set_peer(&mut self, peer: Option<IpAddr>) {
        self.0.extend(peer.map(|peer| (Self::PEER, peer.to_string())));
    }

    /// The boundary of the body, if it says that it is a multipart form.
    pub fn boundary(&self) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| *name == Self::CONTENT_TYPE)?;
        let (kind, parameters) = value.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let mut parameters = parameters.split(';').map(str::trim);
        let boundary = parameters.find_map(|parameter| parameter.strip_prefix("boundary="))?;
        let boundary = boundary.trim_matches('"');
        (1..=70).contains(&boundary.len()).then_some(boundary)
    }

    /// What the request says that its body is.
    pub fn content_type(&self) -> Option<&str> {
        let mut known = self.0.iter().filter(|(name, _)| *name == Self::CONTENT_TYPE);
        known.next().map(|(_, value)| value.as_str())
    }

    /// Whether the body says that it is a form.
    pub fn is_form(&self) -> bool {
        self.is_of_type("application/x-www-form-urlencoded")
    }

    /// Whether the body says that it is JSON.
    pub fn is_json(&self) -> bool {
        self.is_of_type("application/json")
    }

    fn is_of_type(&self, wanted: &str) -> bool {
        self.content_type().is_some_and(|value| {
            let kind = value.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case(wanted)
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether a stored name is metadata rather than a header.
    pub fn is_name(name: &str) -> bool {
        name.starts_with(':')
    }
}

/// A value for display: truncated, with control characters replaced.
fn text(value: &[u8]) -> String {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~');
    if value.len() <= SenderInfo::MAX_CHARS && value.iter().all(plain) {
        // The usual case.
        return String::from_utf8_lossy(value).into_owned();
    }
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    String::from_utf8_lossy(value).chars().take(SenderInfo::MAX_CHARS).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_metadata_is_restored_without_headers() {
        let mut sender_info = SenderInfo::new(Some(b"text/plain"), Some(&[b'x'; 300]));
        sender_info.set_peer(Some(IpAddr::from([127, 0, 0, 1])));
        let kept: Vec<(String, Vec<u8>)> =
            sender_info.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        assert_eq!(kept[1].1.len(), 200);
        let others: [(&str, &[u8]); 2] = [("user-agent", b"y"), (":other", b"z")];
        let all = kept.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        assert_eq!(SenderInfo::restore(all.chain(others)), sender_info);
    }
}
