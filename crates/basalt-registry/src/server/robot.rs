//! Robots: listed, made and deleted by who administers the server.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::list::{MAXIMUM, linked};
use super::request::{Outcome, Reply, Request};
use crate::access::{Robot, RobotName, RobotRule, RobotSecret, check_robot_rules};
use crate::config::Span;
use crate::fault::{Code, Fault};
use crate::metadata::Moment;
use crate::route::Page;

/// The longest document that describes a robot, in bytes.
const MAXIMUM_DOCUMENT: u64 = 256 << 10;

/// A robot that is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    rules: Vec<RobotRule>,
    /// `90 days`, or `never`.
    expires: String,
}

pub(super) async fn list(request: &Request, page: &Page) -> Outcome {
    let limit = page.limit.unwrap_or(MAXIMUM).min(MAXIMUM);
    let metadata = &request.registry.metadata;
    let mut robots = metadata.robots(page.after.as_deref(), limit + 1).await?;
    let more = robots.len() as u64 > limit;
    robots.truncate(limit as usize);
    let last = robots.last().filter(|_| more);
    let last = last.map(|robot| robot.name.as_str().to_owned());
    let shown: Vec<Value> = robots
        .iter()
        .map(|robot| shown(robot, request.now))
        .collect();
    let reply = Reply::json(&json!({"robots": shown}));
    Ok(linked(reply, "/basalt/v1/robots", "", limit as usize, last))
}

pub(super) async fn create(request: &mut Request) -> Outcome {
    if !request.registry.gate.signs_in() {
        return Err(invalid("nobody signs in here: a robot would be of no use"));
    }
    let bytes = request.body(MAXIMUM_DOCUMENT).all().await?;
    let wanted: Wanted = serde_json::from_slice(&bytes).map_err(|error| {
        invalid(&format!(
            "write {{\"name\": …, \"rules\": [{{\"repositories\": […], \"rights\": […]}}], \"expires\": \"90 days\"}}: {error}"
        ))
    })?;
    let name: RobotName = wanted
        .name
        .parse()
        .map_err(|error: crate::access::NoRobotName| invalid(&error.to_string()))?;
    check_robot_rules(&wanted.rules).map_err(|cause| invalid(&cause))?;
    let expires = match wanted.expires.as_str() {
        "never" => None,
        span => {
            let span = Span::try_from(span.to_owned())
                .map_err(|cause| invalid(&format!("{cause}, or `never`")))?;
            Some(request.now.saturating_add(span.milliseconds()))
        }
    };
    let secret = RobotSecret::new();
    let robot = Robot {
        name,
        rules: wanted.rules,
        secret: RobotSecret::hash(secret.as_str()),
        created: request.now,
        creator: request.identity.caller.name().to_owned(),
        expires,
        used: None,
    };
    let mut document = shown(&robot, request.now);
    document["secret"] = json!(secret.as_str());
    let name = robot.name.clone();
    let metadata = &request.registry.metadata;
    if !metadata.add_robot(robot, request.author()).await? {
        let message = format!("there is a robot `{name}` already; delete it first");
        return Err(Fault::new(Code::Denied, message).status(StatusCode::CONFLICT));
    }
    let mut reply = Reply::json(&document).header("cache-control", "no-store");
    reply.status = StatusCode::CREATED;
    Ok(reply)
}

pub(super) async fn delete(request: &Request, name: &RobotName) -> Outcome {
    let metadata = &request.registry.metadata;
    match metadata.delete_robot(name, request.author()).await? {
        true => Ok(Reply::empty(StatusCode::NO_CONTENT)),
        false => Err(Fault::new(
            Code::NameUnknown,
            format!("there is no robot `{name}`"),
        )),
    }
}

/// A robot as it is listed: all but its secret, of which only a hash is known.
fn shown(robot: &Robot, now: Moment) -> Value {
    let moment = |moment: Moment| {
        let time = jiff::Timestamp::from_millisecond(moment).unwrap_or_default();
        time.to_string()
    };
    json!({
        "name": robot.name.as_str(),
        "rules": robot.rules,
        "created": moment(robot.created),
        "creator": robot.creator,
        "expires": robot.expires.map(moment),
        "expired": robot.is_expired(now),
        "used": robot.used.map(moment),
    })
}

fn invalid(message: &str) -> Fault {
    Fault::new(Code::NameInvalid, message)
}
