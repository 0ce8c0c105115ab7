//! Files that go to a socket by the system alone, which copies nothing but to the network.
//!
//! The HTTP library takes bytes, and has no word for "a part of this file". So a body hands it a piece of [`STAND_IN`]
//! and puts the part down at the connection's [`Outlet`]; the connection, [`Direct`], knows the stand-in by its address
//! when it comes by, and sends the part instead. The library keeps the order of a connection's bytes, and the queue is in
//! the same order.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::fs::sendfile;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// The most of a file that is put down at once, in bytes.
pub const MAXIMUM_PART: usize = 1 << 20;

/// Stands for bytes of a file; it is never sent itself.
static STAND_IN: [u8; MAXIMUM_PART] = [0; MAXIMUM_PART];

/// Whether these bytes stand for those of a file.
fn stands_in(bytes: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

/// A part of a file that is to be sent.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    offset: u64,
    length: usize,
}

/// Where bodies put down what their connection is to send of files.
#[derive(Debug, Clone, Default)]
pub struct Outlet(Arc<Mutex<VecDeque<Part>>>);

impl Outlet {
    /// Puts down so much of a file from this place on, at most [`MAXIMUM_PART`]. What stands for it.
    pub fn put(&self, file: Arc<File>, offset: u64, length: usize) -> Bytes {
        let length = length.min(MAXIMUM_PART);
        let part = Part {
            file,
            offset,
            length,
        };
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push_back(part);
        Bytes::from_static(&STAND_IN[..length])
    }

    /// Sends of the first part as much as the socket takes now, but not more than `limit`. How much that was.
    fn send(&self, stream: &TcpStream, limit: usize) -> io::Result<usize> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = parts.front_mut() else {
            return Err(io::Error::other("there is no file for what stands for one"));
        };
        let length = part.length.min(limit);
        let sent = sendfile(stream, &*part.file, Some(&mut part.offset), length)?;
        if sent == 0 {
            let message = "the file of a blob became shorter while it was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        part.length -= sent;
        if part.length == 0 {
            parts.pop_front();
        }
        Ok(sent)
    }
}

/// A connection that can send files.
pub struct Direct {
    stream: TcpStream,
    outlet: Outlet,
}

impl Direct {
    /// Over this socket.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            outlet: Outlet::default(),
        }
    }

    /// Where bodies put down what it is to send.
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// The socket alone.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn poll_send(&self, context: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let send = || self.outlet.send(&self.stream, limit);
            match self.stream.try_io(Interest::WRITABLE, send) {
                // It was full after all: who asks again is told when there is room.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for Direct {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Direct {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if stands_in(bytes) {
            return self.poll_send(context, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let before = slices.iter().position(|slice| stands_in(slice));
        match before {
            Some(0) => self.poll_send(context, slices[0].len()),
            Some(count) => {
                Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..count])
            }
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    /// Always: a library that gathered bytes first would copy what stands for others.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Direct, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
        let address = listener.local_addr().expect("it has an address");
        let client = TcpStream::connect(address).await.expect("it answers");
        let (server, _) = listener.accept().await.expect("one comes");
        (Direct::new(server), client)
    }

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("it is written");
        Arc::new(file)
    }

    /// Writes slices as the HTTP library does, until all is taken.
    async fn write(direct: &mut Direct, mut bytes: Vec<Bytes>) -> io::Result<()> {
        while !bytes.is_empty() {
            let slices: Vec<_> = bytes.iter().map(|bytes| IoSlice::new(bytes)).collect();
            let mut taken = direct.write_vectored(&slices).await?;
            drop(slices);
            while let Some(first) = bytes.first_mut()
                && taken >= first.len()
            {
                taken -= first.len();
                bytes.remove(0);
            }
            if let Some(first) = bytes.first_mut() {
                let _ = first.split_to(taken);
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn parts_of_files_go_out_where_what_stands_for_them_was() {
        let (mut direct, mut client) = pair().await;
        // More than any socket takes at once.
        let large: Vec<u8> = (0..8_u32 << 20).map(|at| (at % 251) as u8).collect();
        let (first, second) = (file(b"0123456789"), file(&large));
        let outlet = direct.outlet();
        let mut all = vec![Bytes::from_static(b"head"), outlet.put(first, 2, 5)];
        all.push(Bytes::from_static(b"between"));
        for at in 0..8 {
            let part = (at as u64) << 20;
            all.push(outlet.put(Arc::clone(&second), part, MAXIMUM_PART));
        }
        all.push(Bytes::from_static(b"end"));
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.expect("it comes");
            read
        });
        write(&mut direct, all).await.expect("it is sent");
        drop(direct);
        let wanted = [b"head23456between", large.as_slice(), b"end"].concat();
        assert!(reading.await.expect("it ends") == wanted);
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_ends_the_connection() {
        let (mut direct, _client) = pair().await;
        let part = direct.outlet().put(file(b"short"), 0, 10);
        let error = write(&mut direct, vec![part]).await.expect_err("it ended");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_stands_for_no_file_is_never_sent() {
        let (mut direct, _client) = pair().await;
        let lost = Bytes::from_static(&STAND_IN[..10]);
        assert!(direct.write(&lost).await.is_err());
        assert!(write(&mut direct, vec![lost]).await.is_err());
    }
}
