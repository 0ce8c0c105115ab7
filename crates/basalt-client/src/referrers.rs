//! What refers to a manifest: by the API of the OCI distribution specification 1.1, or, where a registry has none, by
//! the list that clients keep under the tag `sha256-<hex>` (*Referrers Tag Schema*).

use std::collections::BTreeMap;
use std::sync::PoisonError;

use basalt_digest::Digest;
use basalt_fetch::address;
use basalt_oci::{Descriptor, Index, media_type, read_document};
use ureq::http::Method;

use crate::error::ClientError;
use crate::repository::{
    Facts, MAXIMUM_MANIFEST, MAXIMUM_PAGES, Repository, Right, endless, next_page,
};
use crate::token::percent_encode;

/// The most referrers of one manifest.
const MAXIMUM_REFERRERS: usize = 100_000;
/// How often a list that another client changed at the same time is changed again.
const ATTEMPTS: u32 = 5;

impl Repository {
    /// The manifests that refer to this one, sorted by digest; only those of this artifact type, if one is given.
    ///
    /// # Errors
    /// When the registry does not answer, or its list is not sound.
    pub fn list_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, ClientError> {
        let mut found = match self.asked(subject, artifact_type)? {
            Some(found) => found,
            None => self.noted(subject)?,
        };
        for descriptor in found.values_mut() {
            // cosign's lists, and those of old registries, lack it.
            if descriptor.artifact_type.is_none()
                && let Some((_, bytes)) = self.get_manifest(&descriptor.digest)?
            {
                describe(descriptor, &Facts::of(&bytes).unwrap_or_default());
            }
        }
        let wanted = |one: &Descriptor| {
            artifact_type.is_none_or(|wanted| one.artifact_type.as_deref() == Some(wanted))
        };
        Ok(found.into_values().filter(wanted).collect())
    }

    /// By the API, if the registry has it.
    fn asked(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<BTreeMap<Digest, Descriptor>>, ClientError> {
        if self.knows_referrers.get() == Some(&false) {
            return Ok(None);
        }
        let home = self.home()?;
        let mut rest = format!("referrers/{subject}");
        if let Some(kind) = artifact_type {
            rest.push_str("?artifactType=");
            percent_encode(kind, &mut rest);
        }
        let mut found = BTreeMap::new();
        let mut next = Some(home.url(&rest)?);
        for page in 0..MAXIMUM_PAGES {
            let Some(url) = next.take() else {
                return Ok(Some(found));
            };
            let mut ask = home.ask(Method::GET, url.clone(), Right::Pull);
            ask.headers.push(("Accept", media_type::INDEX.to_owned()));
            let answer = home.registry.call(ask)?;
            let index = answer.header("content-type").is_some_and(|kind| {
                kind.split(';').next().map(str::trim) == Some(media_type::INDEX)
            });
            match answer.status {
                200 if index || page > 0 => {}
                // What registries without the API answer to a path they do not know.
                200 | 400 | 404 | 405 | 406 | 501 if page == 0 => {
                    answer.finish();
                    let _ = self.knows_referrers.set(false);
                    return Ok(None);
                }
                _ => return Err(home.refusal(answer)),
            }
            let _ = self.knows_referrers.set(true);
            next = next_page(&answer, &url)?;
            let shown = address::shown(&answer.url);
            let list = index_of(&answer.bytes(MAXIMUM_MANIFEST)?, &shown)?;
            found.extend(list.manifests.into_iter().map(|one| (one.digest, one)));
            if found.len() > MAXIMUM_REFERRERS {
                let limit = MAXIMUM_REFERRERS as u64;
                return Err(ClientError::TooLong { url: shown, limit });
            }
        }
        Err(endless(home.url(&rest)?))
    }

    /// By the list under the tag. An entry counts only if its manifest is there and has this subject, as anybody
    /// may forget to change the list.
    fn noted(&self, subject: &Digest) -> Result<BTreeMap<Digest, Descriptor>, ClientError> {
        let mut found = BTreeMap::new();
        for mut entry in self.listed(subject)?.manifests {
            let Some((_, bytes)) = self.get_manifest(&entry.digest)? else {
                continue;
            };
            let facts = Facts::of(&bytes).unwrap_or_default();
            if facts
                .subject
                .as_ref()
                .is_some_and(|own| own.digest == *subject)
            {
                describe(&mut entry, &facts);
                found.insert(entry.digest, entry);
            }
        }
        Ok(found)
    }

    /// The list under the tag; an empty one if there is none.
    fn listed(&self, subject: &Digest) -> Result<Index, ClientError> {
        let empty = || Index::new(Vec::new());
        match self.tagged(&tag_of(subject))? {
            Some((descriptor, bytes)) if descriptor.is_index() => {
                index_of(&bytes, &format!("{}:{}", self.name(), tag_of(subject)))
            }
            _ => Ok(empty()),
        }
    }

    /// Adds a referrer to the list under the tag, where the registry does not keep one itself.
    pub(crate) fn note_referrer(
        &self,
        subject: &Digest,
        descriptor: &Descriptor,
        facts: &Facts,
    ) -> Result<(), ClientError> {
        let mut entry = descriptor.clone();
        describe(&mut entry, facts);
        self.change(subject, |list| {
            let there = list.iter().any(|one| one.digest == entry.digest);
            if !there {
                list.push(entry.clone());
            }
            !there
        })
    }

    /// Takes a referrer out of the list under the tag, where the registry does not keep one itself.
    pub(crate) fn forget_referrer(
        &self,
        subject: &Digest,
        referrer: &Digest,
    ) -> Result<(), ClientError> {
        if self.asked(subject, None)?.is_some() {
            return Ok(());
        }
        self.change(subject, |list| {
            let before = list.len();
            list.retain(|one| one.digest != *referrer);
            list.len() != before
        })
    }

    /// Changes the list until a look at it shows the change: registries cannot do that at once, and another client
    /// may have written in between.
    fn change(
        &self,
        subject: &Digest,
        mut edit: impl FnMut(&mut Vec<Descriptor>) -> bool,
    ) -> Result<(), ClientError> {
        let _ours = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ATTEMPTS {
            let mut index = self.listed(subject)?;
            if !edit(&mut index.manifests) {
                return Ok(());
            }
            let bytes = basalt_oci::to_bytes(&index)?;
            self.send_manifest(media_type::INDEX, &bytes, Some(&tag_of(subject)))?;
        }
        let mut index = self.listed(subject)?;
        match edit(&mut index.manifests) {
            false => Ok(()),
            true => Err(ClientError::Protocol {
                url: format!("{}:{}", self.name(), tag_of(subject)),
                cause: "the list of referrers does not keep what is written; another client writes it all the time"
                    .to_owned(),
            }),
        }
    }
}

/// The tag under which the list is kept.
fn tag_of(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn index_of(bytes: &[u8], url: &str) -> Result<Index, ClientError> {
    let wrong = |cause: String| ClientError::Protocol {
        url: url.to_owned(),
        cause: format!("its list of referrers is none: {cause}"),
    };
    let document = read_document(|| "the list".to_owned(), bytes);
    let index = document.and_then(Index::of);
    let index = index.map_err(|error| wrong(error.to_string()))?;
    index.ok_or_else(|| wrong("it is an image manifest".to_owned()))
}

/// What a list says of a manifest.
fn describe(entry: &mut Descriptor, facts: &Facts) {
    entry.artifact_type = facts.kind();
    entry.annotations = facts.annotations.clone();
}
