//! What images are called in messages.

use basalt_spec::LoadedSpec;

/// What an image is called in messages.
pub(crate) fn title(spec: &LoadedSpec, architecture: &str, variant: &str) -> String {
    let name = &spec.base.name;
    match variant {
        "" => format!("{name} for {architecture}"),
        variant => format!("{name}, variant {variant}, for {architecture}"),
    }
}
