//! The headers of a request that a provider reads, as senders and proxies write them.

use bytes::Bytes;

use super::Refusal;

/// The headers that a source's provider asked for, by lower-case name, in order of arrival.
/// Others are not carried at all: what is not read cannot leak.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(&'static str, Bytes)>);

impl Headers {
    /// Adds one received header line.
    pub fn push(&mut self, name: &'static str, value: Bytes) {
        self.0.push((name, value));
    }

    /// The value of a header that has one value. A line that a proxy has repeated counts once.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when two lines differ (two readers would disagree about which one
    /// counts) or the value is not visible ASCII.
    pub fn single(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut lines = self.lines(name);
        let Some(value) = lines.next() else { return Ok(None) };
        if lines.any(|other| other != value) {
            return Err(Refusal::Malformed(name));
        }
        visible(value, b"").map(Some).ok_or(Refusal::Malformed(name))
    }

    /// The elements of a header that is a list, of all its lines together. Blanks and quotes
    /// around an element, empty elements, and whether the list stands on one line or on several
    /// are left to senders and proxies; what is between them is taken byte for byte. `None` where
    /// the header is not there.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not visible ASCII.
    pub fn elements(&self, name: &'static str) -> Result<Option<Vec<&str>>, Refusal> {
        let mut elements = None;
        for line in self.lines(name) {
            let line = visible(line, b"\t").ok_or(Refusal::Malformed(name))?;
            let of_line = line.split(',').map(bare).filter(|element| !element.is_empty());
            elements.get_or_insert_with(Vec::new).extend(of_line);
        }
        Ok(elements)
    }

    /// The value of a header that has one value without a comma in it, such as a signature, a time
    /// or a name. Where the header was repeated or joined with itself on its way it counts once.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it has two values that differ, or is not visible ASCII.
    pub fn token(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let Some(elements) = self.elements(name)? else { return Ok(None) };
        let Some((first, others)) = elements.split_first() else { return Ok(Some("")) };
        if others.iter().any(|other| other != first) {
            return Err(Refusal::Malformed(name));
        }
        Ok(Some(first))
    }

    /// As [`Headers::token`], for a header without which there is nothing to check.
    ///
    /// # Errors
    /// [`Refusal::Missing`] when it is not there, otherwise as [`Headers::token`].
    pub fn required_token(&self, name: &'static str) -> Result<&str, Refusal> {
        self.token(name)?.ok_or(Refusal::Missing(name))
    }

    /// Whether the header is there at all.
    pub fn has(&self, name: &str) -> bool {
        self.lines(name).next().is_some()
    }

    /// How many bytes its lines have together.
    pub(super) fn length(&self, name: &str) -> usize {
        self.lines(name).map(Bytes::len).sum()
    }

    /// Every header line, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Bytes)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// Every value of a header, in order of arrival.
    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter(move |(header, _)| *header == name).map(|(_, value)| value)
    }

    /// As [`Headers::single`], for a header without which there is nothing to check.
    ///
    /// # Errors
    /// [`Refusal::Missing`] when it is not there, otherwise as [`Headers::single`].
    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.single(name)?.ok_or(Refusal::Missing(name))
    }
}

/// The text of a header line that is visible ASCII, or one of `besides`.
fn visible<'v>(value: &'v Bytes, besides: &[u8]) -> Option<&'v str> {
    let shown = |byte: &u8| matches!(byte, b' '..=b'~') || besides.contains(byte);
    std::str::from_utf8(value).ok().filter(|text| text.as_bytes().iter().all(shown))
}

/// An element of a list without the blanks and quotes around it.
fn bare(element: &str) -> &str {
    element.trim_matches([' ', '\t', '"', '\''])
}
