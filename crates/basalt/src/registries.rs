//! The client of registries that commands use.

use std::sync::Arc;
use std::time::Duration;

use basalt_client::{Client, Settings};
use basalt_fetch::{Event, Observer};

use crate::arguments::RegistryArguments;
use crate::failure::Failure;
use crate::terminal::{self, Progress};

/// A client as these arguments and this machine's files ask for; the progress hears of what is tried again.
///
/// # Errors
/// When an argument or a file is not sound.
pub fn client(
    arguments: &RegistryArguments,
    progress: Option<Arc<Progress>>,
) -> Result<Client, Failure> {
    let mut settings = settings(arguments)?;
    settings.observer = match progress {
        Some(progress) => progress,
        None => Arc::new(Warner),
    };
    Ok(Client::new(settings)?)
}

/// Tells of warnings alone, where there is no progress to show.
struct Warner;

impl Observer for Warner {
    fn event(&self, event: Event) {
        if let Event::RegistryWarned { registry, text } = event {
            let text = basalt_escape::line(&text).into_owned();
            terminal::tell(&format!("warning: {registry}: {text}"));
        }
    }
}

/// The settings of such a client.
///
/// # Errors
/// When an argument or a file is not sound.
pub fn settings(arguments: &RegistryArguments) -> Result<Settings, Failure> {
    let mut settings = Settings::of_environment()?;
    settings.insecure = arguments.hosts.insecure.clone();
    settings.authorities = arguments.hosts.ca.clone();
    if let Some(seconds) = arguments.timeout {
        settings = settings.with_patience(Duration::from_secs(seconds.into()));
    }
    Ok(settings)
}
