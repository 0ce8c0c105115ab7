//! The routes: all that can be asked of the server, in one closed table.
//!
//! One function reads a method, a path and a query into a [`Route`]. What a route needs of who asks follows from the
//! route alone, and [`Kind::example`] gives a request for each: so a test can try every route there is, and a new one
//! is tried as soon as it exists.

mod login;
mod page;
mod parse;
mod query;

use crate::access::{LoginId, Right, RobotName};
use crate::digest::{Algorithm, Digest};
use crate::name::{RepositoryName, Tag};
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Serialize};

pub use page::{Asset, Listing, Sort};
pub use parse::{MAXIMUM_PATH, parse};
pub(crate) use query::{decode, encode, parameters};

/// What names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A tag.
    Tag(Tag),
    /// A digest.
    Digest(Digest),
}

/// Which part of a long list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// How many entries at most.
    pub limit: Option<u64>,
    /// Only what sorts behind this.
    pub after: Option<String>,
}

/// A blob of another repository that is to be in this one too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The blob.
    pub digest: Digest,
    /// Where it is; any repository when none is named.
    pub from: Option<RepositoryName>,
}

/// One thing that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what their types say")]
pub enum Route {
    /// Whether this is a registry, and who asks is known.
    Base,
    /// The repositories.
    Catalog { page: Page },
    /// The tags of a repository.
    Tags {
        repository: RepositoryName,
        page: Page,
    },
    /// What refers to a manifest.
    Referrers {
        repository: RepositoryName,
        subject: Digest,
        artifact_type: Option<String>,
        page: Page,
    },
    /// A manifest.
    ReadManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    /// Writes a manifest, under these tags too.
    PutManifest {
        repository: RepositoryName,
        reference: Reference,
        tags: Vec<Tag>,
    },
    /// Deletes a manifest or a tag.
    DeleteManifest {
        repository: RepositoryName,
        reference: Reference,
    },
    /// A blob.
    ReadBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    /// Takes a blob out of a repository.
    DeleteBlob {
        repository: RepositoryName,
        digest: Digest,
    },
    /// Begins an upload; with a digest it is the whole of it, with a mount it may not be needed.
    BeginUpload {
        repository: RepositoryName,
        digest: Option<Digest>,
        mount: Option<Mount>,
        algorithm: Algorithm,
    },
    /// How far an upload is.
    UploadStatus {
        repository: RepositoryName,
        upload: UploadId,
    },
    /// Sends a part of a blob.
    AppendUpload {
        repository: RepositoryName,
        upload: UploadId,
    },
    /// Sends the rest of a blob and says what its digest is.
    FinishUpload {
        repository: RepositoryName,
        upload: UploadId,
        digest: Digest,
    },
    /// Gives up an upload.
    CancelUpload {
        repository: RepositoryName,
        upload: UploadId,
    },
    /// A token for who says who they are.
    Token,
    /// Whether the process lives.
    Health,
    /// Whether requests will be answered.
    Ready,
    /// Counts for Prometheus.
    Metrics,
    /// The robots.
    ListRobots { page: Page },
    /// Makes a robot.
    CreateRobot,
    /// Deletes a robot.
    DeleteRobot { name: RobotName },
    /// For people: the repositories.
    FrontPage { listing: Listing },
    /// For people: a repository.
    RepositoryPage {
        repository: RepositoryName,
        listing: Listing,
    },
    /// For people: an image.
    ImagePage {
        repository: RepositoryName,
        reference: Reference,
        listing: Listing,
    },
    /// For people: which images have a package.
    PackagesPage { listing: Listing },
    /// The form to sign in, and what it sends.
    SignIn { next: Option<String> },
    /// Ends a session of the pages.
    SignOut,
    /// Sends a browser to an issuer to sign in there.
    SignInWith {
        issuer: String,
        next: Option<String>,
    },
    /// Where an issuer sends the browser back to.
    SignInReturn { issuer: String },
    /// Lets a program wait until a person signs in for it.
    BeginLogin,
    /// Ends the login of a program that has its secret.
    EndLogin,
    /// For people: a program that waits for them.
    DevicePage { code: Option<String> },
    /// Takes what a person decides about a program that waits.
    DecideDevice,
    /// The logins of programs.
    ListLogins { page: Page },
    /// Ends the login of a program.
    DeleteLogin { id: LoginId },
    /// A file that pages need.
    Asset { asset: Asset },
    /// What the front page shows, as JSON.
    ListRepositories { listing: Listing },
    /// What the page of a repository shows, as JSON.
    DescribeRepository {
        repository: RepositoryName,
        listing: Listing,
    },
    /// What the page of an image shows, as JSON.
    DescribeImage {
        repository: RepositoryName,
        reference: Reference,
        listing: Listing,
    },
    /// Which images have a package, as JSON.
    SearchPackages { listing: Listing },
}

/// What a route needs of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// Nothing: the answer tells nothing of what is kept here.
    Nothing,
    /// To be someone who has any right here.
    Someone,
    /// The same, to see the names of the repositories that one may read.
    Names,
    /// To have any right here, whether one said who one is or not. Only what one may read is shown.
    Visible,
    /// A right in a repository.
    Right(&'a RepositoryName, Right),
    /// The right to administer the server.
    Administration,
}

/// The name of an upload: 32 hex digits that nobody can guess.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct UploadId(String);

impl TryFrom<String> for UploadId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no name of an upload"))
    }
}

impl UploadId {
    /// An upload of this name, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// One that these random bytes make.
    pub fn of(random: [u8; 16]) -> Self {
        Self(crate::digest::hex(&random))
    }

    /// One that nobody has had, nor can guess.
    pub fn random() -> Self {
        let mut random = [0; 16];
        OsRng.fill_bytes(&mut random);
        Self::of(random)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The kinds of routes, by their names.
macro_rules! kinds {
    ($($kind:ident $pattern:tt),* $(,)?) => {
        /// Which route it is, without what it is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each is that of a route")]
        pub enum Kind { $($kind),* }

        impl Kind {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Its name, for logs and counts.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind)),* }
            }
        }

        impl Route {
            /// Which it is.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind $pattern => Kind::$kind),* }
            }
        }
    };
}

kinds! {
    Base {}, Catalog { .. }, Tags { .. }, Referrers { .. }, ReadManifest { .. }, PutManifest { .. },
    DeleteManifest { .. }, ReadBlob { .. }, DeleteBlob { .. }, BeginUpload { .. }, UploadStatus { .. },
    AppendUpload { .. }, FinishUpload { .. }, CancelUpload { .. }, Token {}, Health {}, Ready {}, Metrics {},
    ListRobots { .. }, CreateRobot {}, DeleteRobot { .. },
    FrontPage { .. }, RepositoryPage { .. }, ImagePage { .. }, PackagesPage { .. }, SignIn { .. }, SignOut {},
    SignInWith { .. }, SignInReturn { .. }, BeginLogin {}, EndLogin {}, DevicePage { .. }, DecideDevice {},
    ListLogins { .. }, DeleteLogin { .. },
    Asset { .. }, ListRepositories { .. }, DescribeRepository { .. }, DescribeImage { .. }, SearchPackages { .. },
}

impl Route {
    /// What it needs of who asks.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::Token
            | Self::Health
            | Self::Ready
            | Self::SignIn { .. }
            | Self::SignOut
            | Self::SignInWith { .. }
            | Self::SignInReturn { .. }
            | Self::BeginLogin
            | Self::EndLogin
            // Who decides is told by the session of the page it is done on, and by nothing else.
            | Self::DecideDevice
            | Self::Asset { .. } => Need::Nothing,
            Self::Base => Need::Someone,
            Self::Catalog { .. } | Self::ListRepositories { .. } | Self::SearchPackages { .. } => {
                Need::Names
            }
            Self::FrontPage { .. } | Self::PackagesPage { .. } | Self::DevicePage { .. } => {
                Need::Visible
            }
            Self::Metrics
            | Self::ListRobots { .. }
            | Self::CreateRobot
            | Self::DeleteRobot { .. }
            | Self::ListLogins { .. }
            | Self::DeleteLogin { .. } => Need::Administration,
            Self::Tags { repository, .. }
            | Self::Referrers { repository, .. }
            | Self::ReadManifest { repository, .. }
            | Self::ReadBlob { repository, .. }
            | Self::RepositoryPage { repository, .. }
            | Self::ImagePage { repository, .. }
            | Self::DescribeRepository { repository, .. }
            | Self::DescribeImage { repository, .. } => Need::Right(repository, Right::Pull),
            Self::PutManifest { repository, .. }
            | Self::BeginUpload { repository, .. }
            | Self::UploadStatus { repository, .. }
            | Self::AppendUpload { repository, .. }
            | Self::FinishUpload { repository, .. }
            | Self::CancelUpload { repository, .. } => Need::Right(repository, Right::PushNew),
            Self::DeleteManifest { repository, .. } | Self::DeleteBlob { repository, .. } => {
                Need::Right(repository, Right::Delete)
            }
        }
    }

    /// The repository that a client reads from, as clients of a mirror do.
    pub const fn read_repository(&mut self) -> Option<&mut RepositoryName> {
        match self {
            Self::Tags { repository, .. }
            | Self::Referrers { repository, .. }
            | Self::ReadManifest { repository, .. }
            | Self::ReadBlob { repository, .. } => Some(repository),
            _ => None,
        }
    }

    /// The repository it is about, if it is about one.
    pub const fn repository(&self) -> Option<&RepositoryName> {
        match self.need() {
            Need::Right(repository, _) => Some(repository),
            _ => None,
        }
    }
}

impl Kind {
    /// Whether it is a page for people, which alone may be asked for with a cookie. Nothing is changed by one.
    pub const fn is_page(self) -> bool {
        matches!(
            self,
            Self::FrontPage
                | Self::RepositoryPage
                | Self::ImagePage
                | Self::PackagesPage
                | Self::DevicePage
        )
    }

    /// Whether its query has what opens something for who knows it, and is not for a log.
    pub const fn is_confidential(self) -> bool {
        matches!(self, Self::SignInReturn | Self::DevicePage)
    }

    /// A request of this kind: its method and its target. What it names need not be there.
    pub fn example(
        self,
        repository: &str,
        reference: &str,
        digest: &str,
        upload: &str,
    ) -> (&'static str, String) {
        let within = |rest: String| format!("/v2/{repository}/{rest}");
        let session = within(format!("blobs/uploads/{upload}"));
        match self {
            Self::Base => ("GET", "/v2/".to_owned()),
            Self::Catalog => ("GET", "/v2/_catalog?n=5".to_owned()),
            Self::Tags => ("GET", within("tags/list?n=5".to_owned())),
            Self::Referrers => ("GET", within(format!("referrers/{digest}"))),
            Self::ReadManifest => ("GET", within(format!("manifests/{reference}"))),
            Self::PutManifest => ("PUT", within(format!("manifests/{reference}"))),
            Self::DeleteManifest => ("DELETE", within(format!("manifests/{reference}"))),
            Self::ReadBlob => ("GET", within(format!("blobs/{digest}"))),
            Self::DeleteBlob => ("DELETE", within(format!("blobs/{digest}"))),
            Self::BeginUpload => ("POST", within(format!("blobs/uploads/?mount={digest}"))),
            Self::UploadStatus => ("GET", session),
            Self::AppendUpload => ("PATCH", session),
            Self::FinishUpload => ("PUT", format!("{session}?digest={digest}")),
            Self::CancelUpload => ("DELETE", session),
            Self::Token => ("GET", "/token?service=registry".to_owned()),
            Self::Health => ("GET", "/healthz".to_owned()),
            Self::Ready => ("GET", "/readyz".to_owned()),
            Self::Metrics => ("GET", "/metrics".to_owned()),
            Self::ListRobots => ("GET", "/basalt/v1/robots?n=5".to_owned()),
            Self::CreateRobot => ("POST", "/basalt/v1/robots".to_owned()),
            Self::DeleteRobot => ("DELETE", "/basalt/v1/robots/deploy".to_owned()),
            Self::FrontPage => ("GET", "/?q=a&page=1".to_owned()),
            Self::RepositoryPage => ("GET", format!("/r/{repository}?sort=name")),
            Self::ImagePage => ("GET", format!("/r/{repository}@{digest}")),
            Self::PackagesPage => ("GET", "/search?q=liblzma5".to_owned()),
            Self::SignIn => ("GET", "/signin".to_owned()),
            Self::SignOut => ("POST", "/signout".to_owned()),
            Self::SignInWith => ("GET", "/signin/with/company?next=/".to_owned()),
            Self::SignInReturn => ("GET", "/signin/return/company?code=a&state=b".to_owned()),
            Self::BeginLogin => ("POST", "/basalt/v1/login".to_owned()),
            Self::EndLogin => ("POST", "/basalt/v1/logout".to_owned()),
            Self::DevicePage => ("GET", "/device".to_owned()),
            Self::DecideDevice => ("POST", "/device/decision".to_owned()),
            Self::ListLogins => ("GET", "/basalt/v1/sessions?n=5".to_owned()),
            Self::DeleteLogin => ("DELETE", "/basalt/v1/sessions/0123456789abcdef".to_owned()),
            Self::Asset => ("GET", "/assets/basalt.css".to_owned()),
            Self::ListRepositories => ("GET", "/basalt/v1/repositories".to_owned()),
            Self::DescribeRepository => ("GET", format!("/basalt/v1/r/{repository}")),
            Self::DescribeImage => ("GET", format!("/basalt/v1/r/{repository}@{digest}")),
            Self::SearchPackages => ("GET", "/basalt/v1/search?package=liblzma5".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn every_kind_of_route_is_read_from_its_example() {
        for kind in Kind::ALL {
            for repository in ["app", "team/blobs/uploads", "manifests/tags/list"] {
                let (method, target) = kind.example(repository, "latest", DIGEST, &"0".repeat(32));
                let (path, query) = target.split_once('?').unwrap_or((&target, ""));
                let route = parse(method, path, query).expect("it is one");
                assert_eq!(route.kind(), *kind, "{method} {target}");
                let named = route.repository().map(RepositoryName::as_str);
                let about = ["/v2/", "/r/", "/basalt/v1/r/"]
                    .iter()
                    .any(|start| path.starts_with(start))
                    && !matches!(kind, Kind::Base | Kind::Catalog);
                assert_eq!(named, about.then_some(repository), "{method} {target}");
            }
        }
    }
}
