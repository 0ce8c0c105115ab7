//! What a spec asserts of its image, sizes apart.

use basalt_spec::ImageSpec;
use basalt_tree::assertions::{self, Assertion};
use basalt_tree::{Contents, Tree};

use crate::assemble::accounts::account_file;

/// Checks the spec's assertions, sizes apart; each violation names the path and who brought it.
pub(crate) fn violations(tree: &Tree, contents: &dyn Contents, image: &ImageSpec) -> Vec<String> {
    let wanted = &image.assertions;
    let mut rules = Vec::new();
    let mut add = |on: Option<bool>, rule| {
        if on == Some(true) {
            rules.push(rule);
        }
    };
    add(wanted.no_shell, Assertion::NoShell);
    add(wanted.no_setuid, Assertion::NoSetuid);
    add(wanted.no_package_manager, Assertion::NoPackageManager);
    add(wanted.non_root, Assertion::NonRoot);
    rules.extend(
        wanted
            .must_contain
            .iter()
            .cloned()
            .map(Assertion::MustContain),
    );
    rules.extend(
        wanted
            .must_not_contain
            .iter()
            .cloned()
            .map(Assertion::MustNotContain),
    );
    let passwd = account_file(tree, contents, "etc/passwd");
    assertions::check(tree, &image.user, passwd.as_deref(), &rules)
        .iter()
        .map(ToString::to_string)
        .collect()
}
