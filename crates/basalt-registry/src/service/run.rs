//! A server that runs until a signal ends it.

use std::net::SocketAddr;
use std::sync::Arc;

use rustix::process::Resource;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Options, Plan, ServeError};
use crate::server::{Listening, Registry, Tls, log};
use crate::traces::Traces;

/// Threads that answer requests, at least: one may wait for a disk while it reads the metadata.
const THREADS: usize = 4;

impl Plan {
    /// Runs the server until a signal ends it. `listening` hears where, once it answers.
    ///
    /// # Errors
    /// When it cannot begin.
    pub fn run(
        self,
        format: log::Format,
        listening: impl FnOnce(SocketAddr, bool),
    ) -> Result<(), ServeError> {
        let storage = self.storage(self.grace)?;
        raise_limit();
        let tls = self
            .tls
            .as_ref()
            .map(|files| Tls::read(&files.certificate, &files.key, files.clients.as_deref()))
            .transpose()?;
        let (metadata, blobs) = (Arc::clone(&storage.metadata), Arc::clone(&storage.blobs));
        let options = self.options.clone();
        let listen = self.listen;
        let spans = self.traces.clone();
        let mut registry =
            self.registry(|gate, settings| Registry::new(metadata, blobs, gate, settings));
        if let Some((url, percent)) = spans {
            let counts = Arc::clone(&registry.counts);
            registry.traces = Arc::new(Traces::start(
                &url,
                percent,
                &registry.gate.service,
                counts,
            )?);
        }
        let traces = Arc::clone(&registry.traces);
        let (renewing, current) = watch::channel(Arc::new(registry));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.max(THREADS))
            .enable_all()
            .build()?;
        log::start(format)?;
        runtime.block_on(async move {
            let (stop, stopped) = watch::channel(false);
            let (reload, reloaded) = watch::channel(0);
            // Before it listens, so that a signal from now on ends it in good order.
            let mut ends = [
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            ];
            let mut hung_up = signal(SignalKind::hangup())?;
            let has_tls = tls.is_some();
            let server = Listening::bind(listen, current, tls).await;
            let server = server.map_err(|cause| ServeError::Listen {
                listen: listen.to_string(),
                cause: cause.to_string(),
            })?;
            listening(server.address()?, has_tls);
            let signals = async {
                let [terminate, interrupt] = &mut ends;
                loop {
                    tokio::select! {
                        _ = terminate.recv() => break,
                        _ = interrupt.recv() => break,
                        _ = hung_up.recv() => {
                            reload.send_modify(|count| *count += 1);
                            match renew(&options, &renewing).await {
                                Ok(()) => log::note("the configuration was read again"),
                                Err(error) => log::trouble(&format!(
                                    "{error}; the former configuration stays"
                                )),
                            }
                        }
                    }
                }
                log::note("stopping: requests at hand may end");
                let _ = stop.send(true);
                // Who cannot wait says so once more.
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            let running = server.run(stopped, reloaded);
            tokio::pin!(running);
            tokio::select! {
                ended = running.as_mut() => ended.map_err(ServeError::from),
                () = signals => Ok(()),
            }
        })?;
        traces.end();
        log::end();
        // Reads of a disk that hangs are not waited for.
        runtime.shutdown_background();
        drop(storage);
        Ok(())
    }
}

/// Reads the configuration again, and puts what it says in the place of what was said before: all of it, or nothing.
async fn renew(
    options: &Options,
    current: &watch::Sender<Arc<Registry>>,
) -> Result<(), ServeError> {
    let former = Arc::clone(&current.borrow());
    let registry = Plan::new(options)?.registry(|gate, settings| former.with(gate, settings));
    if registry.settings.connections != former.settings.connections {
        log::note("the number of connections changes with the next start");
    }
    if registry.gate.signs_in() {
        let keys = &registry.gate.keys;
        keys.refresh(registry.metadata.as_ref(), crate::server::now())
            .await?;
    }
    current.send_replace(Arc::new(registry));
    Ok(())
}

/// As many open files as the system lets us have: each connection is one.
fn raise_limit() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        let _ = rustix::process::setrlimit(Resource::Nofile, limit);
    }
}
