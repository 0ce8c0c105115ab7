//! Events on their way to hooks: in order, at least once, by one server alone.

use std::sync::Arc;
use std::time::Duration;

use basalt_fetch::connections::for_operator;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Hook, cloud};
use crate::metadata::{Delivery, HookPosition, Metadata, MetadataError};
use crate::route::UploadId;
use crate::server::{Registry, log, now};

/// How often it is looked for what is new.
const EVERY: Duration = Duration::from_millis(500);
/// For how long, beyond the longest attempt, one server alone delivers to a hook, in milliseconds. It says so anew before
/// each; when it is killed another goes on after that.
const LEASE: i64 = 3_000;
/// How many lines are asked for at once.
const LINES: u64 = 100;
/// The longest rest before an event is tried again, in milliseconds: ten minutes.
const LONGEST: i64 = 600_000;
/// How much of an answer is read, in bytes: it is only thrown away.
const ANSWER: u64 = 64 << 10;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It answered with something else than success.
    #[error("it answered with {0}")]
    Status(u16),
    /// It could not be reached, or was too slow.
    #[error("{0}")]
    Transport(String),
}

/// Delivers until it is dropped.
pub async fn run(registry: watch::Receiver<Arc<Registry>>) {
    let owner = UploadId::random().as_str().to_owned();
    loop {
        let current = Arc::clone(&registry.borrow());
        let hooks = current.hooks.iter().map(|hook| {
            let (registry, owner) = (Arc::clone(&current), owner.clone());
            let hook = hook.clone();
            // At once: one that hangs keeps the others waiting for one attempt, not for all of its own.
            tokio::spawn(async move { deliver(&registry, &hook, &owner).await })
        });
        for running in hooks.collect::<Vec<_>>() {
            if let Ok(Err(error)) = running.await {
                log::trouble(&format!("the delivery of events: {error}"));
            }
        }
        sleep(EVERY).await;
    }
}

/// Tells a hook what it was not told, until it does not take something.
async fn deliver(registry: &Registry, hook: &Hook, owner: &str) -> Result<(), MetadataError> {
    let metadata = registry.metadata.as_ref();
    if !lease(metadata, hook, owner).await? {
        return Ok(());
    }
    for position in metadata.hook_positions(&hook.name).await? {
        if position.due > now() || position.sequence >= position.head {
            continue;
        }
        follow(registry, hook, owner, position).await?;
    }
    Ok(())
}

/// Promises that nobody else delivers to a hook meanwhile; false when someone does.
async fn lease(metadata: &dyn Metadata, hook: &Hook, owner: &str) -> Result<bool, MetadataError> {
    // No attempt may outlast it.
    let life = LEASE.saturating_add(i64::try_from(hook.timeout.as_millis()).unwrap_or(i64::MAX));
    let name = format!("events/{}", hook.name);
    let now = now();
    metadata
        .take_lease(&name, owner, now, now.saturating_add(life))
        .await
}

async fn follow(
    registry: &Registry,
    hook: &Hook,
    owner: &str,
    mut position: HookPosition,
) -> Result<(), MetadataError> {
    let metadata = registry.metadata.as_ref();
    let lines = metadata
        .audit(&position.chain, position.sequence, LINES)
        .await?;
    let source = registry.source();
    for line in lines {
        let Some(action) = hook.wants(&line) else {
            position.sequence = line.sequence;
            continue;
        };
        if !lease(metadata, hook, owner).await? {
            return Ok(());
        }
        let (id, document) = cloud::document(&source, &position.chain, &line, action);
        let (hook_of, body) = (hook.clone(), document.to_string());
        let sent = tokio::task::spawn_blocking(move || send(&hook_of, &id, body.as_bytes())).await;
        let sent = sent.unwrap_or_else(|error| Err(Failure::Transport(error.to_string())));
        let delivery = match sent {
            Ok(()) => {
                registry.counts.delivered();
                position.sequence = line.sequence;
                position.attempts = 0;
                continue_with(metadata, &position, Delivery::Taken).await?;
                continue;
            }
            Err(failure) => {
                position.attempts += 1;
                registry.counts.undelivered();
                failed(hook, &mut position, line.sequence, &failure)
            }
        };
        let is_dead = matches!(delivery, Delivery::Dead { .. });
        if is_dead {
            registry.counts.dead();
        }
        return continue_with(metadata, &position, delivery).await;
    }
    // What it is not told is settled too.
    continue_with(metadata, &position, Delivery::Taken).await
}

/// What becomes of an event that was not taken.
fn failed(hook: &Hook, position: &mut HookPosition, line: i64, failure: &Failure) -> Delivery {
    let cause = failure.to_string();
    if position.attempts >= hook.attempts {
        log::trouble(&format!(
            "the hook `{}` did not take event {line} after {} attempts: {cause}; it is given up",
            hook.name, position.attempts
        ));
        position.sequence = line;
        return Delivery::Dead { cause };
    }
    let doubled = 500_i64 << position.attempts.min(12);
    let rest = doubled.min(LONGEST) as f64 * (0.75 + fastrand::f64() / 2.0);
    Delivery::Failed {
        due: now() + rest as i64,
        cause,
    }
}

async fn continue_with(
    metadata: &dyn Metadata,
    position: &HookPosition,
    delivery: Delivery,
) -> Result<(), MetadataError> {
    metadata
        .note_delivery(position.clone(), delivery, now())
        .await
}

/// Sends an event once. Redirects are not followed: a hook is where the operator said, and nowhere else.
///
/// # Errors
/// When it was not taken.
pub fn send(hook: &Hook, id: &str, body: &[u8]) -> Result<(), Failure> {
    let agent = for_operator(&hook.url, hook.timeout, &[])
        .map_err(|error| Failure::Transport(error.to_string()))?;
    let seconds = now() / 1000;
    let mut request = agent
        .post(&hook.url)
        .header(
            "content-type",
            "application/cloudevents+json; charset=utf-8",
        )
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string());
    if let Some(secret) = &hook.secret {
        let signature = cloud::signature(secret, id, seconds, body);
        request = request.header("webhook-signature", signature);
    }
    let mut answer = request
        .send(body)
        .map_err(|error| Failure::Transport(error.to_string()))?;
    let _ = answer.body_mut().with_config().limit(ANSWER).read_to_vec();
    match answer.status().as_u16() {
        200..300 => Ok(()),
        status => Err(Failure::Status(status)),
    }
}
