//! The socket wrapper that reports bytes moved to the progress of the connection.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::progress::Progress;

/// A socket. On drop the stream is handed to the progress for the shutdown.
pub(super) struct Socket {
    stream: Option<TcpStream>,
    progress: Rc<Progress>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, progress: Rc<Progress>) -> Self {
        Self { stream: Some(stream), progress }
    }

    pub(super) fn progress(&self) -> &Rc<Progress> {
        &self.progress
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Sends a delayed `100 Continue` once the body is being read.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(due) = self.progress.interim().due() else { return Poll::Ready(Ok(())) };
            let sent = ready!(self.stream()?.poll_write(cx, due))?;
            self.progress.interim().sent(sent);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.progress.pauses_reading(cx) {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        match ready!(self.stream()?.poll_read(cx, buf)) {
            Ok(()) => self.progress.read(buf.filled().get(before..).unwrap_or_default()),
            // As end of file, which the reader of the body receives: an error would drop it
            // silently.
            Err(_) => self.progress.reset(),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(withheld) = self.progress.interim().withhold(buf) {
            return Poll::Ready(Ok(withheld));
        }
        ready!(self.poll_interim(cx))?;
        match self.stream()?.poll_write(cx, buf) {
            Poll::Ready(Ok(bytes)) => {
                self.progress.written(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => {
                self.progress.reset();
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                self.progress.write_blocked();
                Poll::Pending
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_interim(cx))?;
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.progress.park(self.stream.take());
    }
}
