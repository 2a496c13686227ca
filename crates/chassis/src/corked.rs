//! A connection that sends at once what is written in short succession.
//!
//! HTTP/2 hands a call over frame by frame, headers, message and end, and flushes after each: three packets that wake the
//! other side three times. Here a flush first gives way to whoever else is ready to run, so that the frames which
//! follow, of this call and of others, go along. It never waits for anything that isn't ready.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tonic::transport::server::Connected;

/// How often a flush gives way: the message follows the headers after one turn, the end of the call after another.
const TURNS: u8 = 2;

/// What is gathered at most; what is larger goes out without.
const BUFFER_BYTES: usize = 8 * 1024;

/// A connection with such a flush.
#[derive(Debug)]
pub(crate) struct Corked<S> {
    connection: BufWriter<S>,
    /// How often the flush under way has given way.
    turns: u8,
}

// === impl Corked ===

impl<S: AsyncWrite> Corked<S> {
    pub(crate) fn new(connection: S) -> Self {
        Self {
            connection: BufWriter::with_capacity(BUFFER_BYTES, connection),
            turns: 0,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.turns < TURNS && !self.connection.buffer().is_empty() {
            self.turns += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(Pin::new(&mut self.connection).poll_flush(context))?;
        self.turns = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

impl<S: Connected + AsyncWrite> Connected for Corked<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.connection.get_ref().connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// What reached the wire, packet by packet.
    #[derive(Debug, Default)]
    struct Wire(Vec<Vec<u8>>);

    impl AsyncWrite for Wire {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn packets(connection: &Corked<Wire>) -> &[Vec<u8>] {
        &connection.connection.get_ref().0
    }

    /// A flush that is begun and not waited for, as HTTP/2 does it while there are further frames.
    fn begin_flush(connection: &mut Corked<Wire>) -> Poll<()> {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(connection).poll_flush(&mut context).map(Result::unwrap)
    }

    #[tokio::test]
    async fn frames_in_short_succession_are_one_packet() {
        let mut connection = Corked::new(Wire::default());
        for call in [["headers ", "message ", "end"]; 2] {
            for frame in call {
                connection.write_all(frame.as_bytes()).await.unwrap();
                let _ = begin_flush(&mut connection);
            }
        }
        connection.flush().await.unwrap();
        assert_eq!(packets(&connection), ["headers message end"; 2].map(Vec::from));
    }

    #[tokio::test]
    async fn a_flush_gives_way_so_often_and_no_more() {
        let mut connection = Corked::new(Wire::default());
        for flushed in [false, true] {
            connection.write_all(b"frame").await.unwrap();
            for _ in 0..TURNS {
                assert_eq!(begin_flush(&mut connection), Poll::Pending, "second time: {flushed}");
            }
            assert_eq!(begin_flush(&mut connection), Poll::Ready(()), "second time: {flushed}");
            assert_eq!(
                begin_flush(&mut connection),
                Poll::Ready(()),
                "there is nothing to wait for"
            );
        }
        assert_eq!(packets(&connection), ["frame"; 2].map(Vec::from));
    }

    #[tokio::test]
    async fn nothing_is_lost_when_there_is_more_than_is_gathered_or_the_connection_ends() {
        let mut connection = Corked::new(Wire::default());
        let large = vec![b'x'; BUFFER_BYTES * 3];
        connection.write_all(b"first").await.unwrap();
        connection.write_all(&large).await.unwrap();
        connection.write_all(b"last").await.unwrap();
        connection.shutdown().await.unwrap();
        assert_eq!(
            packets(&connection).concat(),
            [b"first", large.as_slice(), b"last"].concat()
        );
    }
}
