//! The end of a connection.
//!
//! A client that is answered while it still sends may lose the answer: a socket that is closed with unread bytes resets the
//! connection. So after such an answer, what still comes is read and dropped for a while (RFC 9112, section 9.6).
//!
//! What was written to a socket may wait in the system yet, and goes on its way from there whoever has ended: but not when
//! the machine, or a container's network, ends with the server. So a server that stops waits until the other end has it.

use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, copy, sink};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::direct::Direct;

/// How many are waited for at once: each has a thread meanwhile, and those that read for others need some too.
const AT_ONCE: usize = 128;

/// How much is read and dropped of a client that was answered while it still sent, in bytes, and for how long.
const MAXIMUM_DROPPED: u64 = 64 << 20;
const DROPPING: Duration = Duration::from_secs(5);

/// Marks an answer to a request whose body was not read to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unread;

static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// A connection that is over a socket.
pub(super) trait OverSocket {
    /// The socket, when nothing is to be written any more.
    fn socket(self) -> TcpStream;
}

impl OverSocket for Direct {
    fn socket(self) -> TcpStream {
        self.into_stream()
    }
}

impl OverSocket for TlsStream<TcpStream> {
    fn socket(self) -> TcpStream {
        self.into_inner().0
    }
}

/// Closes a socket once the other end has all that was written, or has not taken it for so long.
pub(super) async fn part(connection: impl OverSocket, patience: Duration) {
    let Ok(socket) = connection.socket().into_std() else {
        return;
    };
    let Ok(_place) = PLACES.acquire().await else {
        return;
    };
    if set_socket_linger(&socket, Some(patience)).is_ok() {
        // Now it is the closing that waits.
        let _ = spawn_blocking(move || drop(socket)).await;
    }
}

/// Reads and drops what the other end still sends, up to a bound, before the socket is closed. Nothing is written any more.
pub(super) async fn linger(connection: impl OverSocket) {
    let mut rest = connection.socket().take(MAXIMUM_DROPPED);
    let _ = timeout(DROPPING, copy(&mut rest, &mut sink())).await;
}
