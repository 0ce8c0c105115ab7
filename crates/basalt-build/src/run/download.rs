//! Downloads of packages.

use basalt_fetch::Request;

use crate::error::BuildError;
use crate::run::session::Session;
use crate::run::stage::Stage;

/// How many downloads go on at once.
const PARALLEL_DOWNLOADS: usize = 8;

/// Downloads what the cache does not have.
pub(crate) fn fetch(session: &Session, requests: &[Request]) -> Result<(), BuildError> {
    let mut missing: Vec<Request> = Vec::new();
    for request in requests {
        if !session.fetcher.seems_to_have(request)? {
            missing.push(request.clone());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    session.stage(Stage::Fetch, missing.len() as u64, || {
        session.fetcher.fetch_many(&missing, PARALLEL_DOWNLOADS)?;
        let bytes: u64 = missing.iter().map(|request| request.size).sum();
        let result = format!("{} packages, {:.1} MB", missing.len(), bytes as f64 / 1e6);
        Ok(((), result))
    })
}
