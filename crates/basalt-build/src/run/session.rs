//! What all stages of one run share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use basalt_fetch::{
    Cache, FetchOptions, Fetcher, Limits, Logins, MirrorOptions, Mirrors, Snapshots, Trust,
    VendorStore,
};
use basalt_layer::CompressionPool;
use basalt_spec::LoadedSpec;
use basalt_trust::Clock;

use crate::error::BuildError;
use crate::run::stage::{Observer, Stage, StageTime};

/// Settings of a run, besides the spec.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the cache is; the user's own when not given.
    pub cache: Option<PathBuf>,
    /// Mirrors by archive name, before all others.
    pub mirrors: MirrorOptions,
    /// Where to ask for packages that no mirror has any more.
    pub snapshots: Snapshots,
    /// Whether the network is left alone.
    pub offline: bool,
    /// How long a silent or slow mirror is borne; as `basalt-fetch` has it when not given.
    pub patience: Option<Duration>,
    /// A store that `basalt vendor` made, looked into before the network.
    pub vendor: Option<PathBuf>,
    /// Which certificates mirrors are judged by, and which one they are shown.
    pub trust: Trust,
    /// How many threads work; as many as there are cores when 0.
    pub jobs: usize,
    /// The time of everything generated, in seconds since 1970; the newest package's when not given.
    pub source_date_epoch: Option<i64>,
    /// The moment against which signatures, keys and `Valid-Until` are judged.
    pub clock: Clock,
}

/// One run: the cache, the downloads, the threads, who listens.
pub struct Session {
    pub(crate) cache: Cache,
    pub(crate) fetcher: Fetcher,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) threads: rayon::ThreadPool,
    pub(crate) compression: CompressionPool,
    pub(crate) options: Options,
    downloaded: Arc<AtomicU64>,
    times: std::sync::Mutex<Vec<StageTime>>,
}

/// Hands a fetcher's events on, and counts the bytes that came.
struct Downloads {
    observer: Arc<dyn Observer>,
    bytes: Arc<AtomicU64>,
}

impl basalt_fetch::Observer for Downloads {
    fn event(&self, event: basalt_fetch::Event) {
        if let basalt_fetch::Event::DownloadFinished { size, .. } = &event {
            self.bytes.fetch_add(*size, Ordering::Relaxed);
        }
        self.observer.event(event);
    }
}

impl Session {
    /// Opens the cache and finds the mirrors; nothing is downloaded yet.
    ///
    /// # Errors
    /// When the cache, the vendor store or a mirror's address cannot be used.
    pub fn open(
        options: Options,
        spec: &LoadedSpec,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let path = match &options.cache {
            Some(path) => path.clone(),
            None => Cache::default_path()?,
        };
        let cache = Cache::open(path)?;
        if options.offline {
            cache.hold_everything();
        }
        let mut mirrors = options.mirrors.clone();
        for archive in &spec.base.archives {
            if let Some(url) = &archive.url {
                let mirror = url.parse().map_err(|error| {
                    BuildError::Spec(format!("the archive `{}`: {error}", archive.name))
                })?;
                mirrors.spec.insert(archive.name.clone(), vec![mirror]);
            }
        }
        let limits = Limits::default();
        let fetch = FetchOptions {
            offline: options.offline,
            limits: options
                .patience
                .map_or(limits, |patience| limits.with_patience(patience)),
            vendor: options
                .vendor
                .as_deref()
                .map(VendorStore::open)
                .transpose()?,
            snapshots: options.snapshots.clone(),
            trust: options.trust.clone(),
            logins: Logins::of_environment(options.mirrors.apt_folder.as_deref()),
            proxies: None,
        };
        let mirrors =
            Mirrors::discover(mirrors).map_err(|error| BuildError::Spec(error.to_string()))?;
        let downloaded = Arc::new(AtomicU64::new(0));
        let fetcher = Fetcher::new(
            cache.clone(),
            mirrors,
            fetch,
            Arc::new(Downloads {
                observer: observer.clone(),
                bytes: downloaded.clone(),
            }),
        );
        let jobs = match options.jobs {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            jobs => jobs,
        };
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(jobs)
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            cache,
            fetcher,
            observer,
            threads,
            compression: CompressionPool::new(jobs)?,
            options,
            downloaded,
            times: std::sync::Mutex::default(),
        })
    }

    /// Runs a stage on the session's threads, and tells how long it took.
    pub(crate) fn stage<T: Send>(
        &self,
        stage: Stage,
        steps: u64,
        work: impl FnOnce() -> Result<(T, String), BuildError> + Send,
    ) -> Result<T, BuildError> {
        self.observer.stage_started(stage, steps);
        let begun = Instant::now();
        let (value, result) = self.threads.install(work)?;
        let took = begun.elapsed();
        self.observer.stage_finished(stage, took, &result);
        let mut times = self
            .times
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        times.push(StageTime {
            stage,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(value)
    }

    /// The bytes of indexes and packages that came so far.
    pub(crate) fn downloaded(&self) -> u64 {
        self.downloaded.load(Ordering::Relaxed)
    }

    /// The stages run so far, with their times.
    pub(crate) fn times(&self) -> Vec<StageTime> {
        self.times
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}
