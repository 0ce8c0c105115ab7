//! Connections: taken, bounded in number and in time, and let end in good order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::certificate;
use super::direct::Direct;
use super::paced::Paced;
use super::parting::{self, OverSocket, Unread};
use super::tls::{Certificate, TlsError};
use super::{Current, Peer, janitor, log};
use crate::events;

/// How long a connection may rest before a request, and how long a request's head may take.
const HEAD: Duration = Duration::from_secs(30);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most headers of a request, and how long they may be together, in bytes.
const MAXIMUM_HEADERS: usize = 64;
const MAXIMUM_HEAD: usize = 64 << 10;
/// How much of a body is read at once at most.
const BUFFER: usize = 256 << 10;
/// How often the certificate is looked at.
const REFRESH: Duration = Duration::from_secs(10);

/// A certificate for connections.
pub struct Tls {
    certificate: Arc<Certificate>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// One of these files. Clients may show a certificate of the authorities in the last one.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn read(certificate: &Path, key: &Path, clients: Option<&Path>) -> Result<Self, TlsError> {
        let certificate = Certificate::read(certificate, key)?;
        let acceptor = TlsAcceptor::from(certificate.config(clients)?);
        Ok(Self {
            certificate,
            acceptor,
        })
    }

    /// Reads the files again if they changed.
    fn refresh(&self) {
        match self.certificate.refresh() {
            Ok(true) => log::note("the certificate was read again"),
            Ok(false) => {}
            Err(error) => log::trouble(&format!("{error}; the former certificate stays")),
        }
    }
}

/// A server that listens, and does not answer yet.
pub struct Listening {
    listener: TcpListener,
    registry: Current,
    tls: Option<Arc<Tls>>,
}

impl Listening {
    /// Listens at an address.
    ///
    /// # Errors
    /// When it is taken, or not ours.
    pub async fn bind(
        address: SocketAddr,
        registry: Current,
        tls: Option<Tls>,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            registry,
            tls: tls.map(Arc::new),
        })
    }

    /// The address, with the port that the system chose if none was asked for.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stop` comes true, then lets those that are at hand end. `reload` asks for the certificate
    /// to be read again.
    ///
    /// # Errors
    /// When the keys of tokens cannot be had.
    pub async fn run(
        self,
        stop: watch::Receiver<bool>,
        mut reload: watch::Receiver<u64>,
    ) -> Result<(), crate::metadata::MetadataError> {
        let registry = Arc::clone(&self.registry.borrow());
        let gate = &registry.gate;
        if gate.signs_in() {
            gate.keys
                .refresh(registry.metadata.as_ref(), super::now())
                .await?;
        }
        let janitor = tokio::spawn(janitor::run(self.registry.clone(), stop.clone()));
        let (current, mut ending) = (self.registry.clone(), stop.clone());
        // An attempt that is cut off is made again by whoever starts next.
        let delivering = tokio::spawn(async move {
            tokio::select! {
                () = events::run(current) => {}
                () = stopped(&mut ending) => {}
            }
        });
        let places = Arc::new(Semaphore::new(registry.settings.connections));
        let mut stopping = stop.clone();
        loop {
            // One more is taken when there is a place for it; until then it waits in the system's queue.
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = stopped(&mut stopping) => break,
            };
            let Ok(place) = place else { break };
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        let connection = Connection {
                            registry: self.registry.clone(),
                            stop: stop.clone(),
                            _place: place,
                        };
                        tokio::spawn(connection.begin(stream, from.ip(), self.tls.clone()));
                    }
                    // Mostly too many open files: it passes when others end.
                    Err(error) => {
                        log::trouble(&format!("a connection could not be taken: {error}"));
                        sleep(Duration::from_millis(100)).await;
                    }
                },
                () = stopped(&mut stopping) => break,
                _ = sleep(REFRESH) => refresh(self.tls.as_deref()),
                _ = reload.changed() => refresh(self.tls.as_deref()),
            }
        }
        drop(self.listener);
        registry.begin_draining();
        let all = u32::try_from(registry.settings.connections).unwrap_or(u32::MAX);
        let ended = timeout(registry.settings.drain, places.acquire_many(all)).await;
        if ended.is_err() {
            log::note("some requests did not end in time");
        }
        let _ = janitor.await;
        let _ = delivering.await;
        Ok(())
    }
}

/// Waits until the server is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // One whose sender is gone will not be told any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn refresh(tls: Option<&Tls>) {
    if let Some(tls) = tls {
        tls.refresh();
    }
}

struct Connection {
    registry: Current,
    stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn begin(mut self, stream: TcpStream, from: IpAddr, tls: Option<Arc<Tls>>) {
        let _ = stream.set_nodelay(true);
        // One that never sends anything costs little more than its socket: all else is put aside in boxes until it does.
        let mut first = [0];
        let spoken = tokio::select! {
            spoken = timeout(HEAD, stream.peek(&mut first)) => matches!(spoken, Ok(Ok(1))),
            () = stopped(&mut self.stop) => false,
        };
        if !spoken {
            return;
        }
        match tls {
            None => {
                let stream = Direct::new(stream);
                let mut peer = Peer::at(from);
                peer.outlet = Some(stream.outlet());
                Box::pin(self.serve(stream, peer)).await;
            }
            Some(tls) => {
                let handshake = Box::pin(tls.acceptor.accept(stream));
                match timeout(HANDSHAKE, handshake).await {
                    Ok(Ok(stream)) => {
                        let mut peer = Peer::at(from);
                        let chain = stream.get_ref().1.peer_certificates();
                        let first = chain.and_then(|chain| chain.first());
                        peer.certificate = first.and_then(|first| certificate::holder(first));
                        Box::pin(self.serve(stream, peer)).await;
                    }
                    _ => self.registry.borrow().counts.refused_connection(),
                }
            }
        }
    }

    async fn serve(mut self, stream: impl AsyncRead + AsyncWrite + OverSocket + Unpin, peer: Peer) {
        let counts = Arc::clone(&self.registry.borrow().counts);
        counts.connections(1);
        let current = self.registry.clone();
        let is_unread = Arc::new(AtomicBool::new(false));
        let left = Arc::clone(&is_unread);
        let service = service_fn(move |request| {
            let (registry, peer) = (Arc::clone(&current.borrow()), peer.clone());
            let left = Arc::clone(&left);
            // Between two requests a connection has no room for one.
            Box::pin(async move {
                let response = registry.answer(request, &peer).await;
                let unread = response.extensions().get::<Unread>();
                left.store(unread.is_some(), Ordering::Relaxed);
                Ok::<_, std::convert::Infallible>(response)
            })
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(MAXIMUM_HEADERS)
            .max_header_size(MAXIMUM_HEAD)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(Paced::new(stream)), service);
        let ended = tokio::select! {
            ended = &mut connection => Some(ended.is_ok()),
            () = stopped(&mut self.stop) => None,
        };
        if ended.is_some_and(|well| well && is_unread.load(Ordering::Relaxed)) {
            let stream = connection.into_parts().io.into_inner().into_inner();
            tokio::select! {
                () = parting::linger(stream) => {}
                () = stopped(&mut self.stop) => {}
            }
        } else if ended.is_none() {
            Pin::new(&mut connection).graceful_shutdown();
            let ended = (&mut connection).await.is_ok();
            let stream = connection.into_parts().io.into_inner().into_inner();
            if ended {
                let patience = self.registry.borrow().settings.drain;
                parting::part(stream, patience).await;
            }
        }
        counts.connections(-1);
    }
}
