//! `basalt sign REF`.

use basalt_attest::{Format, Subject};
use basalt_oci::{Descriptor, covered};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::reference::Named;
use crate::signing::{self, SignerArguments};
use crate::terminal::Terminal;

/// What `sign` takes.
#[derive(Debug, Args)]
pub struct SignArguments {
    /// The image: PATH[:TAG][@DIGEST] of a layout, or HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    pub reference: String,
    /// The key.
    #[command(flatten)]
    pub signer: SignerArguments,
    /// In which of cosign's formats
    #[arg(long, value_name = "FORMAT", default_value = "bundle")]
    pub format: FormatChoice,
    /// Sign each image of an index too
    #[arg(long)]
    pub recursive: bool,
    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArguments,
}

/// In which format signatures are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatChoice {
    /// A Sigstore bundle, as a referrer: what cosign 3 writes and looks for.
    Bundle,
    /// A tag made of the digest, `.sig` or `.att`: what every cosign reads.
    Legacy,
    /// Both.
    Both,
}

impl FormatChoice {
    /// The formats that are meant.
    pub fn formats(self) -> &'static [Format] {
        match self {
            Self::Bundle => &[Format::Bundle],
            Self::Legacy => &[Format::Legacy],
            Self::Both => &[Format::Bundle, Format::Legacy],
        }
    }
}

/// The images that are meant: the one that is named, and with `recursive` those it lists.
pub(super) fn subjects(named: &Named, recursive: bool) -> Result<Vec<Descriptor>, Failure> {
    let target = named.target()?;
    let mut subjects = vec![target.clone()];
    if recursive {
        let covered = covered(named.store.as_ref(), &target.digest)?;
        subjects.extend_from_slice(covered.within());
    }
    Ok(subjects)
}

pub(super) fn run(own: &SignArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let named = signing::image(&own.reference, &own.registries)?;
    let subjects = subjects(&named, own.recursive)?;
    let signer = own.signer.signer()?;
    let date = signing::date()?;
    let name = named.name();
    let mut signed = Vec::new();
    for descriptor in &subjects {
        let subject = Subject {
            descriptor,
            name: &name,
        };
        for format in own.format.formats() {
            let store = named.store.as_ref();
            let manifest = basalt_attest::sign(store, subject, date, signer.as_ref(), *format)?;
            signed.push((descriptor.digest, manifest.digest));
        }
    }
    let place = named.store.place();
    let rows: Vec<_> = signed
        .iter()
        .map(|(digest, manifest)| json!({"digest": digest, "signature": manifest}))
        .collect();
    let fingerprint = signer.public_key().fingerprint();
    let document = json!({"place": place, "key": fingerprint, "signed": rows});
    terminal.summary(&document, || {
        let lines = signed
            .iter()
            .map(|(digest, manifest)| format!("signed {digest}\n    in {manifest}\n"));
        lines.collect()
    })?;
    Ok(Status::Done)
}
