//! What desktop programs read in a compiled form, which maintainer scripts have made: GSettings schemas
//! (`glib-compile-schemas`), and the database of file types (`update-mime-database`). The same bytes, from the same files.

mod gvdb;
mod hash_order;
pub mod mime;
pub mod modules;
pub mod schemas;
mod variant;
mod variant_text;

/// The elements of one XML file that are read at most.
const MAXIMUM_NODES: u32 = 2_000_000;

/// An XML file, with bounds on what is in it. Entities that it declares are expanded by the parser, which has bounds on that.
fn document(text: &str) -> Result<roxmltree::Document<'_>, String> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        nodes_limit: MAXIMUM_NODES,
        ..Default::default()
    };
    roxmltree::Document::parse_with_options(text, options).map_err(|error| error.to_string())
}
