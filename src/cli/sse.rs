//! Server-sent events, read as they arrive.

/// The longest line that is read, in bytes.
const MAX_LINE: usize = 256 * 1024;

/// A parsed part of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// The ID of a message.
    Position(String),
    /// The data of a message.
    Data(String),
    /// A comment.
    Comment(String),
}

/// The incomplete line and message.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    id: Option<String>,
    data: Option<String>,
}

/// The response is not an event stream.
#[derive(Debug, thiserror::Error)]
#[error("invalid response: not an event stream")]
pub(super) struct NoStream;

impl Reader {
    /// Reads bytes and returns what is complete. A message's data comes before its ID: a caller
    /// that stores the ID has the data.
    ///
    /// # Errors
    /// [`NoStream`] when a line is too long.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Message>, NoStream> {
        let mut messages = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > MAX_LINE {
                return Err(NoStream);
            }
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                self.line(line.trim_end_matches(['\r', '\n']), &mut messages);
            }
        }
        Ok(messages)
    }

    fn line(&mut self, line: &str, messages: &mut Vec<Message>) {
        if line.is_empty() {
            messages.extend(self.data.take().map(Message::Data));
            messages.extend(self.id.take().map(Message::Position));
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => messages.push(Message::Comment(value.to_owned())),
            "id" => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => data.extend(["\n", value]),
                None => self.data = Some(value.to_owned()),
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_across_chunk_boundaries() {
        let text = "retry: 1000\nid: a\n\n: lag 3s\n\nid: b\r\nevent: done\r\ndata: {\"é\":1}\r\n\
                    \r\ndata: x\ndata:y\n\nid: never ended\ndata: z\n";
        let expected = [
            Message::Position("a".into()),
            Message::Comment("lag 3s".into()),
            Message::Data("{\"é\":1}".into()),
            Message::Position("b".into()),
            Message::Data("x\ny".into()),
        ];
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let pieces = text.as_bytes().chunks(size);
            let read: Vec<Message> = pieces.flat_map(|piece| reader.take(piece).unwrap()).collect();
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_an_error() {
        let mut reader = Reader::default();
        let piece = [b'x'; 1024];
        assert!((0..257).any(|_| reader.take(&piece).is_err()));
    }
}
