//! Whether documents are made.

/// Whether documents are made. They always are, but for the program that is measured beside the real one, to see what
/// they cost.
pub(crate) const DOCUMENTED: bool = !cfg!(feature = "undocumented");
