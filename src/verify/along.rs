//! Metadata of a request that is not signed: for display only, never part of a proof.

use std::net::IpAddr;

/// What a request says about itself besides, and where it came from. Nothing of it is signed: it is
/// kept for users, under names that no header has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SenderInfo(Vec<(&'static str, String)>);

impl SenderInfo {
    /// The longest value that is kept, in characters.
    const LONGEST: usize = 200;
    const CONTENT_TYPE: &'static str = ":content-type";
    const USER_AGENT: &'static str = ":user-agent";
    const PEER: &'static str = ":peer";

    /// Of a content type and a user agent, where there are such.
    pub fn new(content_type: Option<&[u8]>, user_agent: Option<&[u8]>) -> Self {
        let all = [(Self::CONTENT_TYPE, content_type), (Self::USER_AGENT, user_agent)];
        Self(all.into_iter().filter_map(|(name, value)| Some((name, text(value?)))).collect())
    }

    /// What was kept of it, under the names that [`SenderInfo::iter`] gives; the rest is left out.
    pub fn kept<'k>(all: impl IntoIterator<Item = (&'k str, &'k [u8])>) -> Self {
        let names = [Self::CONTENT_TYPE, Self::USER_AGENT, Self::PEER];
        let known = |(name, value): (&str, &[u8])| {
            Some((names.into_iter().find(|known| *known == name)?, text(value)))
        };
        Self(all.into_iter().filter_map(known).collect())
    }

    /// Notes the address that it came from, where that is known.
    pub fn came_from(&mut self, peer: Option<IpAddr>) {
        self.0.extend(peer.map(|peer| (Self::PEER, peer.to_string())));
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether a kept name is one of these, and no header's.
    pub fn is_name(name: &str) -> bool {
        name.starts_with(':')
    }
}

/// What users are shown of a value.
fn text(value: &[u8]) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    String::from_utf8_lossy(value).chars().take(SenderInfo::LONGEST).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back_and_no_header_with_it() {
        let mut along = SenderInfo::new(Some(b"text/plain"), Some(&[b'x'; 300]));
        along.came_from(Some(IpAddr::from([127, 0, 0, 1])));
        let kept: Vec<(String, Vec<u8>)> =
            along.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        assert_eq!(kept[1].1.len(), 200);
        let others: [(&str, &[u8]); 2] = [("user-agent", b"y"), (":other", b"z")];
        let all = kept.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        assert_eq!(SenderInfo::kept(all.chain(others)), along);
    }
}
