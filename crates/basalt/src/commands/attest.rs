//! `basalt attest REF`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use basalt_attest::policy::{predicate_name, predicate_uri};
use basalt_attest::{
    Attached, Form, ResourceDescriptor, Signer, Statement, Subject, attached, media_type,
    predicate_type, to_bytes,
};
use basalt_oci::Descriptor;
use clap::Args;
use serde_json::{Value, json};

use super::sign::{FormatChoice, subjects};
use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::reference::Named;
use crate::signing::{self, SignerArguments};
use crate::terminal::Terminal;

/// Longest predicate that is read, in bytes.
const MAXIMUM_PREDICATE: u64 = 96 << 20;

/// What `attest` takes.
#[derive(Debug, Args)]
pub struct AttestArguments {
    /// The image: PATH[:TAG][@DIGEST] of a layout, or HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    pub reference: String,
    /// The key.
    #[command(flatten)]
    pub signer: SignerArguments,
    /// What is attested of the image: a JSON file
    #[arg(
        long,
        value_name = "FILE",
        requires = "kind",
        required_unless_present_any = ["sbom", "provenance", "attached"],
        conflicts_with_all = ["sbom", "provenance", "attached"]
    )]
    pub predicate: Option<PathBuf>,
    /// What the file is: slsaprovenance1, spdx, cyclonedx, openvex, vuln, or a URI
    #[arg(long = "type", value_name = "TYPE", requires = "predicate")]
    pub kind: Option<String>,
    /// Sign the SBOMs that are attached unsigned to the image, or to those it lists
    #[arg(long)]
    pub sbom: bool,
    /// Sign the provenance that is attached unsigned, likewise
    #[arg(long)]
    pub provenance: bool,
    /// Sign all SBOMs and statements that are attached unsigned, likewise
    #[arg(long)]
    pub attached: bool,
    /// In which of cosign's formats
    #[arg(long, value_name = "FORMAT", default_value = "bundle")]
    pub format: FormatChoice,
    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArguments,
}

/// A statement to be signed, as its bytes, and the image it is about.
struct Planned {
    subject: Descriptor,
    kind: String,
    bytes: Vec<u8>,
}

pub(super) fn run(own: &AttestArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let named = signing::image(&own.reference, &own.registries)?;
    let planned = match (&own.predicate, &own.kind) {
        (Some(path), Some(kind)) => vec![of_file(&named, path, kind)?],
        _ => of_attached(&named, own)?,
    };
    let signer = own.signer.signer()?;
    let date = signing::date()?;
    let rows = attest(&named, &planned, date, signer.as_ref(), own.format)?;
    let place = named.store.place();
    let fingerprint = signer.public_key().fingerprint();
    let document = json!({"place": place, "key": fingerprint, "attested": rows});
    terminal.summary(&document, || {
        let lines = planned.iter().map(|one| {
            let kind = predicate_name(&one.kind);
            format!("attested {kind} of {}\n", one.subject.digest)
        });
        lines.collect()
    })?;
    Ok(Status::Done)
}

fn attest(
    named: &Named,
    planned: &[Planned],
    date: i64,
    signer: &dyn Signer,
    format: FormatChoice,
) -> Result<Vec<Value>, Failure> {
    let name = named.name();
    let store = named.store.as_ref();
    let mut rows = Vec::new();
    for one in planned {
        let subject = Subject {
            descriptor: &one.subject,
            name: &name,
        };
        for format in format.formats() {
            let manifest =
                basalt_attest::attest(store, subject, &one.bytes, date, signer, *format)?;
            rows.push(json!({
                "digest": one.subject.digest,
                "type": one.kind,
                "attestation": manifest.digest,
            }));
        }
    }
    Ok(rows)
}

/// A statement of a predicate in a file.
fn of_file(named: &Named, path: &Path, kind: &str) -> Result<Planned, Failure> {
    let uri = predicate_uri(kind).ok_or_else(|| {
        let message = format!("`{kind}` is no type of predicate");
        Failure::new(Status::Usage, message)
            .help("there are slsaprovenance1, spdx, cyclonedx, openvex and vuln, and any URI")
    })?;
    let bytes = match basalt_file::read_argument(path, MAXIMUM_PREDICATE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            let message = format!("{} is longer than 96 MiB", path.display());
            return Err(Failure::new(Status::Usage, message));
        }
        Err(error) => return Err(basalt_file::named(path, error).into()),
    };
    let predicate: Value = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("{} is no JSON: {error}", path.display());
        Failure::new(Status::Usage, message)
    })?;
    let subject = named.target()?;
    let bytes = statement(named, &subject, uri, &predicate)?;
    Ok(Planned {
        subject,
        kind: uri.to_owned(),
        bytes,
    })
}

fn statement(
    named: &Named,
    subject: &Descriptor,
    uri: &str,
    predicate: &Value,
) -> Result<Vec<u8>, Failure> {
    let about = ResourceDescriptor::of_digest(named.name(), &subject.digest);
    Ok(to_bytes(&Statement::new(vec![about], uri, predicate)?)?)
}

/// Statements of the documents that are attached unsigned.
fn of_attached(named: &Named, own: &AttestArguments) -> Result<Vec<Planned>, Failure> {
    let store = named.store.as_ref();
    let mut planned = Vec::new();
    for subject in subjects(named, true)? {
        for document in attached(store, &subject)? {
            // Two forms of unsigned documents: BuildKit's are part of the index, and another's word.
            if document.form == Form::Document {
                planned.extend(plan(named, own, &subject, &document)?);
            }
        }
    }
    if planned.is_empty() {
        let message = format!(
            "nothing that is asked for is attached unsigned to {}",
            own.reference
        );
        return Err(Failure::new(Status::Failed, message)
            .help("`basalt attestations` lists what is attached; `basalt build` attaches SBOMs and provenance"));
    }
    Ok(planned)
}

fn plan(
    named: &Named,
    own: &AttestArguments,
    subject: &Descriptor,
    document: &Attached,
) -> Result<Option<Planned>, Failure> {
    let uri = match document.layer.media_type.as_str() {
        media_type::SPDX if own.sbom || own.attached => predicate_type::SPDX,
        media_type::CYCLONEDX if own.sbom || own.attached => predicate_type::CYCLONEDX,
        media_type::OPENVEX if own.attached => predicate_type::OPENVEX,
        media_type::IN_TOTO if own.provenance || own.attached => {
            let bytes = document.read(named.store.as_ref())?;
            let statement = Statement::read(&bytes)?;
            let kind = statement.predicate_type;
            let wanted = own.attached || kind == predicate_type::SLSA_V1;
            // Signed as it is, byte for byte.
            return Ok(wanted.then(|| Planned {
                subject: subject.clone(),
                kind,
                bytes,
            }));
        }
        _ => return Ok(None),
    };
    let bytes = document.read(named.store.as_ref())?;
    let predicate: Value = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the document {} is no JSON: {error}", document.layer.digest);
        Failure::new(Status::Failed, message)
    })?;
    let bytes = statement(named, subject, uri, &predicate)?;
    Ok(Some(Planned {
        subject: subject.clone(),
        kind: uri.to_owned(),
        bytes,
    }))
}
