//! A parser of the PostgreSQL protocol that finds the current statement.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A message as sent.
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) bytes: Vec<u8>,
}

pub(super) const SYNC: u8 = b'S';
pub(super) const COMPLETE: u8 = b'C';
pub(super) const READY: u8 = b'Z';
/// Makes the server send its output without ending the transaction.
pub(super) const FLUSH: &[u8] = b"H\0\0\0\x04";

/// The first message of a client has no type.
pub(super) async fn read_startup(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    from.read_exact(&mut bytes).await?;
    read_rest(from, bytes).await
}

pub(super) async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
    let mut bytes = vec![0; 5];
    from.read_exact(&mut bytes).await?;
    let kind = bytes[0];
    Ok(Message { kind, bytes: read_rest(from, bytes).await? })
}

/// The length includes itself, but not the message type.
async fn read_rest(from: &mut (impl AsyncRead + Unpin), mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = u32::from_be_bytes(*bytes.last_chunk().unwrap()) as usize;
    let head = bytes.len();
    bytes.resize(head - 4 + length, 0);
    from.read_exact(&mut bytes[head..]).await?;
    Ok(bytes)
}

/// The prepared statements of a client, and those it has run since its last `BEGIN`.
#[derive(Default)]
pub(super) struct Statements {
    prepared: HashMap<Vec<u8>, String>,
    bound: HashMap<Vec<u8>, String>,
    transaction: Vec<String>,
}

impl Statements {
    /// Reads a message; returns the statement that it runs, if any.
    pub(super) fn read(&mut self, message: &Message) -> Option<String> {
        let mut texts = message.bytes[5..].split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default().to_vec();
        let sql = match message.kind {
            b'P' => {
                let (name, sql) = (text(), text());
                self.prepared.insert(name, String::from_utf8(sql).unwrap());
                return None;
            }
            b'B' => {
                let (portal, name) = (text(), text());
                let sql = self.prepared.get(&name).cloned().unwrap_or_default();
                self.bound.insert(portal, sql);
                return None;
            }
            b'E' => self.bound.get(&text()).cloned().unwrap_or_default(),
            b'Q' => String::from_utf8(text()).unwrap(),
            _ => return None,
        };
        if sql.starts_with("BEGIN") {
            self.transaction.clear();
        }
        self.transaction.push(sql.clone());
        Some(sql)
    }

    /// Whether a statement with this text was run since the last `BEGIN`.
    pub(super) fn has_run(&self, part: &str) -> bool {
        self.transaction.iter().any(|sql| sql.contains(part))
    }
}
