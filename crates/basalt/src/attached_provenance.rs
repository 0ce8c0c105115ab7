//! The provenance that an image carries.

use basalt_attest::provenance::Provenance;
use basalt_attest::{Form, Statement, attached, media_type, predicate_type};
use basalt_oci::{Descriptor, ImageStore};

use crate::failure::Failure;

/// The SLSA provenance that is attached, unsigned, to a manifest or index.
///
/// # Errors
/// When the place cannot be read, or a statement is not sound.
pub fn provenance(
    store: &dyn ImageStore,
    subject: &Descriptor,
) -> Result<Option<Provenance>, Failure> {
    for document in attached(store, subject)? {
        if document.form != Form::Document || document.layer.media_type != media_type::IN_TOTO {
            continue;
        }
        let statement = Statement::read(&document.read(store)?)?;
        if statement.predicate_type == predicate_type::SLSA_V1
            && statement.is_about(&subject.digest)
        {
            return Ok(Some(statement.predicate_as()?));
        }
    }
    Ok(None)
}
