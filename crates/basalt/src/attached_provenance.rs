//! The provenance that an image carries.

use basalt_attest::provenance::Provenance;
use basalt_attest::{attached, predicate_type};
use basalt_oci::{Descriptor, ImageStore};

use crate::failure::Failure;

/// The SLSA provenance that is attached to a manifest or index: as a build attaches it, or what somebody signed. No
/// signature is verified.
///
/// # Errors
/// When the place cannot be read, or there is only a statement that is not sound.
pub fn provenance(
    store: &dyn ImageStore,
    subject: &Descriptor,
) -> Result<Option<Provenance>, Failure> {
    let mut all = attached(store, subject)?;
    all.sort_by_key(|one| one.is_signed());
    let mut problem = None;
    for document in all {
        match document.statement(store) {
            Ok(Some(statement))
                if statement.predicate_type == predicate_type::SLSA_V1
                    && statement.is_about(&subject.digest) =>
            {
                return Ok(Some(statement.predicate_as()?));
            }
            Ok(_) => {}
            // Anyone can attach what is not sound beside what is.
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    match problem {
        Some(problem) => Err(problem.into()),
        None => Ok(None),
    }
}
