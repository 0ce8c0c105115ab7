//! `basalt attestations REF`.

use basalt_attest::policy::predicate_name;
use basalt_attest::{Attached, Claim, SignedClaim, Statement, attached, media_type, to_bytes};
use clap::Args;
use serde_json::{Value, json};

use super::sign::subjects;
use super::verify::form;
use crate::arguments::RegistryArguments;
use crate::failure::{Failure, Status};
use crate::reference::Named;
use crate::signing;
use crate::terminal::{Terminal, bytes, table};

/// What `attestations` takes.
#[derive(Debug, Args)]
pub struct AttestationsArguments {
    /// The image: PATH[:TAG][@DIGEST] of a layout, or HOST/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Write what the one of this number says: the statement, the payload or the document
    #[arg(long, value_name = "N", conflicts_with = "json")]
    pub show: Option<usize>,
    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArguments,
}

/// One thing attached, and what it says it is: nothing is verified here.
struct Listed {
    attached: Attached,
    kind: String,
    problem: Option<String>,
}

pub(super) fn run(own: &AttestationsArguments, terminal: &Terminal) -> Result<Status, Failure> {
    let named = signing::image(&own.reference, &own.registries)?;
    let mut found = Vec::new();
    for subject in subjects(&named, true)? {
        found.extend(attached(named.store.as_ref(), &subject)?);
    }
    if let Some(number) = own.show {
        let index = number.checked_sub(1);
        let Some(one) = index.and_then(|index| found.get(index)) else {
            let message = format!("there is no number {number}: {} are attached", found.len());
            return Err(Failure::new(Status::Usage, message));
        };
        terminal.write_document(content(&named, one)?.as_bytes())?;
        return Ok(Status::Done);
    }
    let mut listed = Vec::new();
    for one in found {
        listed.push(list(&named, one)?);
    }
    let rows: Vec<Value> = listed
        .iter()
        .enumerate()
        .map(|(index, one)| {
            json!({
                "number": index + 1,
                "subject": one.attached.subject,
                "type": one.kind,
                "form": form(one.attached.form),
                "signed": one.attached.is_signed(),
                "manifest": one.attached.manifest,
                "layer": one.attached.layer.digest,
                "media-type": one.attached.layer.media_type,
                "size": one.attached.layer.size,
                "problem": one.problem,
            })
        })
        .collect();
    terminal.answer(&rows, || text(&listed))?;
    Ok(Status::Done)
}

fn text(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "nothing is attached\n".to_owned();
    }
    let rows: Vec<Vec<String>> = listed
        .iter()
        .enumerate()
        .map(|(index, one)| {
            let hex = one.attached.subject.hex();
            vec![
                (index + 1).to_string(),
                hex.get(..12).unwrap_or(&hex).to_owned(),
                predicate_name(&one.kind).to_owned(),
                form(one.attached.form).to_owned(),
                bytes(one.attached.layer.size),
                one.problem.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let mut text = String::new();
    for line in table(&rows).lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Looks into what is attached just far enough to say what it is.
fn list(named: &Named, attached: Attached) -> Result<Listed, Failure> {
    let is_statement = attached.layer.media_type == media_type::IN_TOTO;
    let kind = match (attached.is_signed(), is_statement) {
        (false, false) => Ok(attached.layer.media_type.clone()),
        (false, true) => Statement::read(&attached.read(named.store.as_ref())?)
            .map(|statement| statement.predicate_type),
        (true, _) => SignedClaim::read(&attached, &attached.read(named.store.as_ref())?)
            .map(|signed| signed.claim.predicate_type().to_owned()),
    };
    let (kind, problem) = match kind {
        Ok(kind) => (kind, None),
        Err(error) => (attached.layer.media_type.clone(), Some(error.to_string())),
    };
    Ok(Listed {
        attached,
        kind,
        problem,
    })
}

/// What it says, as JSON where it is that.
fn content(named: &Named, attached: &Attached) -> Result<String, Failure> {
    let bytes = attached.read(named.store.as_ref())?;
    let bytes = match attached.is_signed() {
        false => bytes,
        true => match SignedClaim::read(attached, &bytes)?.claim {
            Claim::Signature(payload) => to_bytes(&payload)?,
            Claim::Statement(statement) => to_bytes(&statement)?,
        },
    };
    let mut text = match serde_json::from_slice::<Value>(&bytes) {
        Ok(document) => serde_json::to_string_pretty(&document)?,
        Err(_) => basalt_escape::text(&bytes).into_owned(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
