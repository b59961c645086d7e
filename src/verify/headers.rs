//! The request headers that a provider reads, as senders and proxies write them.

use bytes::Bytes;

use super::Refusal;

/// The headers that a source's provider reads, by lower-case name, in order of arrival. Other
/// headers are dropped, so they cannot leak.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(&'static str, Bytes)>);

impl Headers {
    pub fn push(&mut self, name: &'static str, value: Bytes) {
        self.0.push((name, value));
    }

    /// The value of a header that has one value. Identical repetitions by a proxy count once.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if two lines differ (two readers could disagree about which one
    /// counts) or the value is not visible ASCII.
    pub fn single(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut lines = self.lines(name);
        let Some(value) = lines.next() else { return Ok(None) };
        if lines.any(|other| other != value) {
            return Err(Refusal::Malformed(name));
        }
        visible(value, b"").map(Some).ok_or(Refusal::Malformed(name))
    }

    /// The elements of a list header, over all its lines. White space and quotes around an element,
    /// empty elements and the split into lines are ignored; the elements themselves are taken byte
    /// for byte. `None` if the header is absent.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it is not visible ASCII.
    pub fn elements(&self, name: &'static str) -> Result<Option<Vec<&str>>, Refusal> {
        let mut elements = None;
        for line in self.lines(name) {
            let line = visible(line, b"\t").ok_or(Refusal::Malformed(name))?;
            let of_line = line.split(',').map(trimmed).filter(|element| !element.is_empty());
            elements.get_or_insert_with(Vec::new).extend(of_line);
        }
        Ok(elements)
    }

    /// The value of a header that has one value without commas, such as a signature, a time or a
    /// name. A header that was repeated, or joined with itself, counts once.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it has two different values or is not visible ASCII.
    pub fn token(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let Some(elements) = self.elements(name)? else { return Ok(None) };
        let Some((first, others)) = elements.split_first() else { return Ok(Some("")) };
        if others.iter().any(|other| other != first) {
            return Err(Refusal::Malformed(name));
        }
        Ok(Some(first))
    }

    /// As [`Headers::token`], for a required header.
    ///
    /// # Errors
    /// [`Refusal::Missing`] if it is absent, otherwise as [`Headers::token`].
    pub fn required_token(&self, name: &'static str) -> Result<&str, Refusal> {
        self.token(name)?.ok_or(Refusal::Missing(name))
    }

    /// Removes all lines of these headers.
    pub fn remove(&mut self, names: &[&'static str]) {
        self.0.retain(|(name, _)| !names.contains(name));
    }

    /// The value of a header that is signed or stored: as [`Headers::token`], or as
    /// [`Headers::single`] if it contains commas, such as a date.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if two lines differ or the value is not visible ASCII.
    pub fn value(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        self.token(name).or_else(|_| self.single(name))
    }

    pub fn has(&self, name: &str) -> bool {
        self.lines(name).next().is_some()
    }

    /// The total length of its lines, in bytes.
    pub(super) fn length(&self, name: &str) -> usize {
        self.lines(name).map(Bytes::len).sum()
    }

    /// All header lines, in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Bytes)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// All values of a header, in order of arrival.
    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter(move |(header, _)| *header == name).map(|(_, value)| value)
    }

    /// As [`Headers::single`], for a required header.
    ///
    /// # Errors
    /// [`Refusal::Missing`] if it is absent, otherwise as [`Headers::single`].
    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.single(name)?.ok_or(Refusal::Missing(name))
    }
}

/// The text of a header line if it consists of visible ASCII and characters in `allowed`.
fn visible<'v>(value: &'v Bytes, allowed: &[u8]) -> Option<&'v str> {
    let is_visible = |byte: &u8| matches!(byte, b' '..=b'~') || allowed.contains(byte);
    std::str::from_utf8(value).ok().filter(|text| text.as_bytes().iter().all(is_visible))
}

/// Trims white space and quotes around a list element.
fn trimmed(element: &str) -> &str {
    element.trim_matches([' ', '\t', '"', '\''])
}
