//! The server: requests in, answers out.

mod bills;
mod blob;
pub mod body;
mod certificate;
mod counts;
mod direct;
mod gate;
mod janitor;
mod jwks;
mod limit;
mod list;
mod listen;
pub mod log;
mod login;
mod manifest;
mod paced;
mod page;
mod parting;
mod proxy;
mod quota;
mod receive;
mod remembered;
mod request;
mod robot;
mod session;
mod sign_in;
mod tls;
mod token;
mod turns;
mod unfinished;
mod upload;
mod verdict;
mod verified;
mod warning;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};

use crate::access::{Caller, Vouched};
use crate::blobs::Blobs;
use crate::digest::Digest;
use crate::events::Hook;
use crate::fault::{Code, Fault};
use crate::metadata::{Metadata, Moment};
use crate::retention;
use crate::route::{self, Kind, Need, Route, UploadId};
use crate::traces::Traces;
use crate::upstream::Upstreams;
use body::Body;
use direct::Outlet;
use parting::Unread;
use receive::Received;
use request::{Outcome, Reply, Request};

pub use counts::Counts;
pub use gate::{Gate, Identity};
pub use jwks::KeySet;
pub use limit::Limits;
pub use listen::{Listening, Tls};
pub use login::Provider;
pub use sign_in::Visitor;
pub use tls::TlsError;
pub use turns::Turn;
pub use unfinished::Unfinished;
pub use upload::INSIDE;
pub use verdict::Verdicts;
pub use verified::Verified;

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest blob, in bytes.
    pub maximum_blob: u64,
    /// How long a blob is kept that no manifest needs, in milliseconds.
    pub lease: i64,
    /// How long an upload may rest, in milliseconds.
    pub upload_life: i64,
    /// How often what nobody needs is looked for.
    pub collect_every: Duration,
    /// How many bytes a second are read to compare blobs with their digests; none when there are none.
    pub scrub_rate: u64,
    /// How many connections there may be.
    pub connections: usize,
    /// How long requests may take to end when the server goes down.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: i64 = 24 * 3600 * 1000;
        Self {
            maximum_blob: 100 << 30,
            lease: DAY,
            upload_life: DAY,
            collect_every: Duration::from_secs(60),
            scrub_rate: 20 << 20,
            connections: 8192,
            drain: Duration::from_secs(30),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// Who it is by the certificate that it showed.
    pub certificate: Option<Arc<Vouched>>,
    /// Where files can be put down for it, when nothing is to be done to their bytes.
    outlet: Option<Outlet>,
}

impl Peer {
    /// One that showed no certificate.
    pub fn at(address: IpAddr) -> Self {
        Self {
            address,
            certificate: None,
            outlet: None,
        }
    }
}

/// A registry.
pub struct Registry {
    /// What is there.
    pub metadata: Arc<dyn Metadata>,
    /// The bytes of large blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Who may do what.
    pub gate: Gate,
    /// What can be set.
    pub settings: Settings,
    /// Which tags stay.
    pub retention: Vec<retention::Rule>,
    /// Who is told of changes.
    pub hooks: Vec<Hook>,
    /// What must be so of images, and what was found of them.
    pub verdicts: Arc<Verdicts>,
    /// Where spans of requests go.
    pub traces: Arc<Traces>,
    /// The registries whose repositories are had through this one.
    pub upstreams: Upstreams,
    /// What was counted.
    pub counts: Arc<Counts>,
    /// Blobs that were compared with their digests of late.
    pub verified: Arc<Verified>,
    sessions: Arc<session::Sessions>,
    proxying: Arc<proxy::Proxying>,
    draining: Arc<AtomicBool>,
}

/// The registry as it is now: another takes its place when the configuration is read again. A request sees one of them,
/// whole.
pub type Current = tokio::sync::watch::Receiver<Arc<Registry>>;

impl Registry {
    /// A registry over these stores.
    pub fn new(
        metadata: Arc<dyn Metadata>,
        blobs: Arc<dyn Blobs>,
        gate: Gate,
        settings: Settings,
    ) -> Self {
        Self {
            metadata,
            blobs,
            gate,
            settings,
            retention: Vec::new(),
            hooks: Vec::new(),
            verdicts: Arc::default(),
            traces: Arc::default(),
            upstreams: Upstreams::default(),
            counts: Arc::default(),
            verified: Arc::default(),
            sessions: Arc::default(),
            proxying: Arc::default(),
            draining: Arc::default(),
        }
    }

    /// The same registry with other rules: what it holds, counts and has at hand stays.
    #[must_use]
    pub fn with(&self, mut gate: Gate, settings: Settings) -> Self {
        gate.keys = Arc::clone(&self.gate.keys);
        Self {
            metadata: Arc::clone(&self.metadata),
            blobs: Arc::clone(&self.blobs),
            gate,
            settings,
            retention: Vec::new(),
            hooks: Vec::new(),
            verdicts: Arc::default(),
            traces: Arc::clone(&self.traces),
            upstreams: Upstreams::default(),
            counts: Arc::clone(&self.counts),
            verified: Arc::clone(&self.verified),
            sessions: Arc::clone(&self.sessions),
            proxying: Arc::clone(&self.proxying),
            draining: Arc::clone(&self.draining),
        }
    }

    /// What events say that they come from.
    pub fn source(&self) -> String {
        match &self.gate.url {
            Some(url) => url.clone(),
            None => format!("urn:basalt:{}", self.gate.service),
        }
    }

    /// Answers a request.
    pub async fn answer(
        self: &Arc<Self>,
        request: hyper::Request<Incoming>,
        peer: &Peer,
    ) -> Response<Body> {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let received = Received::new(Some(body), &parts.headers);
        let mut asked = Request {
            registry: Arc::clone(self),
            headers: parts.headers,
            query,
            method: parts.method,
            identity: Identity::nobody(),
            peer: peer.clone(),
            now: now(),
            received,
        };
        let traced = self.traces.begin(&asked.headers);
        let route = route::parse(asked.method.as_str(), &path, &asked.query)
            .and_then(|route| self.upstreams.named(route, &asked.query));
        let kind = route.as_ref().ok().map(Route::kind);
        let outcome = match &route {
            Ok(route) => traced.run(self.admit(&mut asked, route)).await,
            Err(fault) => Err(fault.clone()),
        };
        let mut response = match outcome {
            Ok(reply) => respond(reply),
            Err(fault) => {
                asked.received.drain().await;
                if page::is_wanted(&asked, kind, &path) {
                    let target = page::target(&path, &asked.query);
                    respond(page::refusal(&asked, &fault, &target))
                } else {
                    respond(refusal(fault, asked.is_head()))
                }
            }
        };
        if asked.received.is_left() {
            response.extensions_mut().insert(Unread);
        }
        let received = asked.received.count();
        let sent = response.body().length();
        let elapsed = started.elapsed();
        self.counts
            .answered(kind, response.status(), elapsed, received, sent);
        log::Access {
            moment: asked.now,
            address: &peer.address.to_string(),
            user: asked.identity.caller.name(),
            method: asked.method.as_str(),
            path: &path,
            query: if kind.is_some_and(Kind::is_confidential) {
                ""
            } else {
                &asked.query
            },
            status: response.status().as_u16(),
            elapsed,
            received,
            sent,
            agent: asked.text(hyper::header::USER_AGENT).unwrap_or_default(),
            trace: traced.id().as_deref(),
        }
        .write(kind);
        let bytes = (received, sent);
        traced.end(&asked.method, route.as_ref().ok(), response.status(), bytes);
        response
    }

    /// Answers a request whose sender is known and may; else says how they become so.
    async fn admit(&self, asked: &mut Request, route: &Route) -> Outcome {
        let need = route.need();
        let limits = &self.gate.limits;
        if matches!(route, Route::Token) {
            limits.request(&Caller::Anonymous, asked.peer.address)?;
        }
        if need != Need::Nothing {
            let is_page = route.kind().is_page();
            let visitor = asked.visitor();
            let identified = self.gate.identify(visitor, &asked.headers, is_page).await;
            // Who is not who they say counts by the address.
            let caller = identified.as_ref().map(|identity| &identity.caller);
            limits.request(caller.unwrap_or(&Caller::Anonymous), asked.peer.address)?;
            let admitted = identified.and_then(|identity| {
                asked.identity = identity;
                self.gate.check(&asked.identity, need)
            });
            admitted.map_err(|fault| self.challenged(asked, fault, need))?;
        }
        let outcome = dispatch(asked, route).await;
        outcome.map_err(|fault| self.challenged(asked, fault, need))
    }

    /// Adds to a refusal how to sign in.
    fn challenged(&self, asked: &Request, fault: Fault, need: Need<'_>) -> Fault {
        let is_done = |(name, _): &(&str, String)| *name == "www-authenticate";
        if fault.code != Code::Unauthorized || fault.headers.iter().any(is_done) {
            return fault;
        }
        let shown = asked.identity.is_shown;
        let challenge = match need {
            // Who asks for a token signs in with a password, and no token lets anybody administer.
            Need::Nothing => Some(self.gate.basic_challenge()),
            Need::Administration if self.gate.signs_in() => Some(self.gate.basic_challenge()),
            need => {
                let scope = Gate::scope(need);
                self.gate.challenge(&asked.headers, scope.as_deref(), shown)
            }
        };
        match challenge {
            Some(challenge) => fault.header("www-authenticate", challenge),
            None => fault,
        }
    }

    /// Puts aside a blob whose bytes are not what they should be: it counts as missing until it is pushed again.
    pub async fn quarantine(&self, digest: &Digest, place: &UploadId) {
        self.verified.forget(place);
        match self.metadata.quarantine(digest, place).await {
            Ok(true) => {
                self.counts.damaged();
                log::trouble(&format!(
                    "the bytes of {digest} are damaged or missing; what there is was moved to quarantine/, and a push mends it"
                ));
                if let Err(error) = self.blobs.quarantine(digest, place).await {
                    log::trouble(&error.to_string());
                }
            }
            // It was put aside, or deleted, meanwhile.
            Ok(false) => {}
            Err(error) => log::trouble(&error.to_string()),
        }
    }

    /// Lets the server say that it goes down.
    pub fn begin_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

async fn dispatch(asked: &mut Request, route: &Route) -> Outcome {
    if let Some(outcome) = proxy::answer(asked, route).await {
        return outcome;
    }
    match route {
        Route::Base => Ok(Reply::json(&serde_json::json!({}))),
        Route::Catalog { page } => list::catalog(asked, page).await,
        Route::Tags { repository, page } => list::tags(asked, repository, page).await,
        Route::Referrers {
            repository,
            subject,
            artifact_type,
            page,
        } => list::referrers(asked, repository, subject, artifact_type.as_deref(), page).await,
        Route::ReadManifest {
            repository,
            reference,
        } => manifest::read(asked, repository, reference).await,
        Route::PutManifest {
            repository,
            reference,
            tags,
        } => manifest::put(asked, repository, reference, tags).await,
        Route::DeleteManifest {
            repository,
            reference,
        } => manifest::delete(asked, repository, reference).await,
        Route::ReadBlob { repository, digest } => blob::read(asked, repository, digest).await,
        Route::DeleteBlob { repository, digest } => blob::delete(asked, repository, digest).await,
        Route::BeginUpload {
            repository,
            digest,
            mount,
            algorithm,
        } => {
            upload::begin(
                asked,
                repository,
                digest.as_ref(),
                mount.as_ref(),
                *algorithm,
            )
            .await
        }
        Route::UploadStatus { repository, upload } => {
            upload::status(asked, repository, upload).await
        }
        Route::AppendUpload { repository, upload } => {
            upload::append(asked, repository, upload).await
        }
        Route::FinishUpload {
            repository,
            upload,
            digest,
        } => upload::finish(asked, repository, upload, digest).await,
        Route::CancelUpload { repository, upload } => {
            upload::cancel(asked, repository, upload).await
        }
        Route::Token => token::token(asked).await,
        Route::Health => Ok(text("ok\n".to_owned())),
        Route::Ready => ready(asked).await,
        Route::Metrics => Ok(text(asked.registry.counts.document())
            .header("content-type", "text/plain; version=0.0.4; charset=utf-8")),
        Route::ListRobots { page } => robot::list(asked, page).await,
        Route::CreateRobot => robot::create(asked).await,
        Route::DeleteRobot { name } => robot::delete(asked, name).await,
        Route::SignIn { next } => page::sign_in(asked, next.as_deref()).await,
        Route::SignOut => page::sign_out(asked),
        Route::SignInWith { issuer, next } => login::leave(asked, issuer, next.as_deref()).await,
        Route::SignInReturn { issuer } => login::come_back(asked, issuer).await,
        Route::BeginLogin => login::begin(asked).await,
        Route::EndLogin => login::end(asked).await,
        Route::DevicePage { code } => login::waiting(asked, code.as_deref()).await,
        Route::DecideDevice => login::decide(asked).await,
        Route::ListLogins { page } => login::list(asked, page).await,
        Route::DeleteLogin { id } => login::delete(asked, id).await,
        Route::Asset { asset } => page::asset(asked, *asset),
        Route::FrontPage { .. }
        | Route::RepositoryPage { .. }
        | Route::ImagePage { .. }
        | Route::PackagesPage { .. }
        | Route::ListRepositories { .. }
        | Route::DescribeRepository { .. }
        | Route::DescribeImage { .. }
        | Route::SearchPackages { .. } => page::answer(asked, route).await,
    }
}

async fn ready(asked: &Request) -> Outcome {
    let registry = &asked.registry;
    let is_ready = !registry.draining.load(Ordering::Relaxed);
    if is_ready && registry.metadata.check().await.is_ok() {
        return Ok(text("ready\n".to_owned()));
    }
    Err(Fault::new(
        Code::Unavailable,
        "the registry does not take requests now",
    ))
}

fn text(text: String) -> Reply {
    Reply::of(Body::Full(text.into()))
}

/// A refusal as an answer.
fn refusal(fault: Fault, is_head: bool) -> Reply {
    let document = fault.document();
    let mut reply = Reply {
        status: fault.status,
        ..Reply::empty(fault.status)
    }
    .header("content-type", "application/json");
    if is_head {
        reply.length = Some(document.len() as u64);
    } else {
        reply.body = Body::Full(document.into());
    }
    reply.headers.extend(fault.headers);
    reply
}

/// An answer as HTTP has it.
fn respond(reply: Reply) -> Response<Body> {
    let length = reply.length.unwrap_or_else(|| reply.body.length());
    let status = reply.status;
    let mut response = Response::new(reply.body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in reply.headers {
        // What clients sent is never repeated here but in forms that are checked; a value that is none is left out.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    }
    if status != StatusCode::NO_CONTENT {
        headers.insert("content-length", length.into());
    }
    headers.insert(
        "docker-distribution-api-version",
        HeaderValue::from_static("registry/2.0"),
    );
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The time, in milliseconds since 1970.
pub fn now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
