//! `basalt registry robot create|list|delete`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::registry;
use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::terminal::Terminal;

/// What `robot` takes.
#[derive(Debug, Args)]
pub(super) struct RobotArguments {
    #[command(subcommand)]
    command: RobotCommand,
}

#[derive(Debug, Subcommand)]
enum RobotCommand {
    /// Make a robot; its secret is shown once
    Create(CreateArguments),
    /// List the robots: what they may do, until when, and when they were last at work
    List(ListArguments),
    /// Delete a robot; its secret and its tokens open nothing from then on
    Delete(DeleteArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  basalt registry robot create registry.example deploy --repository 'team/*' --right pull
  basalt registry robot create registry.example ci --repository 'team/**' --right pull,push-new --expires '30 days'

Log in first as who may administer the registry. The robot signs in as robot$NAME with its secret:
  basalt login registry.example --username 'robot$ci' < secret")]
struct CreateArguments {
    /// The registry
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    /// The robot's name, without `robot$`
    #[arg(value_name = "NAME")]
    name: String,
    /// Pattern of the repositories that it may use: `team/*`, `**`; may repeat
    #[arg(long, value_name = "PATTERN", required = true)]
    repository: Vec<String>,
    /// What it may do there; may repeat
    #[arg(long, value_name = "RIGHT", required = true, value_delimiter = ',')]
    right: Vec<Right>,
    /// How long it is good: `12 hours`, `90 days`, `never` for no end
    #[arg(long, value_name = "SPAN", default_value = "90 days")]
    expires: String,
    #[command(flatten)]
    registries: RegistryArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Right {
    /// Read
    Pull,
    /// Write blobs, manifests, and tags that are not there
    PushNew,
    /// Move tags that are there
    Overwrite,
    /// Delete tags, manifests and blobs
    Delete,
}

impl Right {
    const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::PushNew => "push-new",
            Self::Overwrite => "overwrite",
            Self::Delete => "delete",
        }
    }
}

#[derive(Debug, Args)]
struct ListArguments {
    /// The registry
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    #[command(flatten)]
    registries: RegistryArguments,
}

#[derive(Debug, Args)]
struct DeleteArguments {
    /// The registry
    #[arg(value_name = "HOST[:PORT]")]
    host: String,
    /// The robot's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    registries: RegistryArguments,
}

pub(super) fn run(own: &RobotArguments, terminal: &Terminal) -> Result<Status, Failure> {
    match &own.command {
        RobotCommand::Create(own) => create(own, terminal)?,
        RobotCommand::List(own) => list(own, terminal)?,
        RobotCommand::Delete(own) => delete(own, terminal)?,
    }
    Ok(Status::Done)
}

fn create(own: &CreateArguments, terminal: &Terminal) -> Result<(), Failure> {
    let registry = registry(&own.host, &own.registries)?;
    let rights: Vec<&str> = own.right.iter().map(|right| right.name()).collect();
    let wanted = json!({
        "name": own.name,
        "rules": [{"repositories": own.repository, "rights": rights}],
        "expires": own.expires,
    });
    let made = registry.send_document("/basalt/v1/robots", &wanted)?;
    let text = |name: &str| basalt_escape::line(made[name].as_str().unwrap_or_default());
    terminal.answer(&made, || {
        let until = match text("expires").as_ref() {
            "" => "it has no end".to_owned(),
            end => format!("it is good until {end}"),
        };
        format!(
            "name:   {}\nsecret: {}\nThe secret is not shown again; {until}.\n",
            text("name"),
            text("secret")
        )
    })
}

fn list(own: &ListArguments, terminal: &Terminal) -> Result<(), Failure> {
    let registry = registry(&own.host, &own.registries)?;
    let robots = registry.documents("robots", "name")?;
    terminal.answer(&json!({"robots": robots}), || {
        robots.iter().map(line).collect()
    })
}

/// `robot$ci  pull,push-new in team/**  until 2027-…  last at work never`
fn line(robot: &Value) -> String {
    let words = |value: &Value| -> String {
        let all = value.as_array().into_iter().flatten();
        let all: Vec<&str> = all.filter_map(Value::as_str).collect();
        basalt_escape::line(&all.join(",")).into_owned()
    };
    let rules = robot["rules"].as_array().into_iter().flatten();
    let rules: Vec<String> = rules
        .map(|rule| {
            format!(
                "{} in {}",
                words(&rule["rights"]),
                words(&rule["repositories"])
            )
        })
        .collect();
    let text = |name: &str, otherwise: &str| {
        basalt_escape::line(robot[name].as_str().unwrap_or(otherwise)).into_owned()
    };
    let end = match robot["expired"].as_bool() {
        Some(true) => "expired",
        _ => "until",
    };
    format!(
        "{}  {}  {end} {}  last at work {}\n",
        text("name", ""),
        rules.join("; "),
        text("expires", "for ever"),
        text("used", "never")
    )
}

fn delete(own: &DeleteArguments, terminal: &Terminal) -> Result<(), Failure> {
    let name = own.name.strip_prefix("robot$").unwrap_or(&own.name);
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    if name.is_empty() || !name.bytes().all(sound) {
        let message = format!("`{}` is no name of a robot", own.name);
        return Err(Failure::new(Status::Usage, message)
            .help("`basalt registry robot list HOST` lists those that are there"));
    }
    let registry = registry(&own.host, &own.registries)?;
    registry.delete_document(&format!("/basalt/v1/robots/{name}"))?;
    let document = json!({"deleted": format!("robot${name}")});
    terminal.summary(&document, || format!("deleted robot${name}\n"))
}
