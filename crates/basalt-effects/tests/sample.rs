//! How many packages of a sample are wholly explained: a measure, printed with what is not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use basalt_effects::{PackageScripts, explain};

#[test]
#[ignore = "needs a directory of packages' control members in BASALT_TEST_SAMPLE"]
fn counts_the_packages_of_a_sample_that_are_explained() {
    let sample = std::env::var("BASALT_TEST_SAMPLE").expect("BASALT_TEST_SAMPLE");
    let (mut packages, mut explained) = (0, 0);
    for entry in fs::read_dir(Path::new(&sample)).expect("a directory") {
        let directory = entry.expect("an entry").path();
        let mut members = BTreeMap::new();
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            members.insert(name.into_owned(), fs::read(&path).expect("readable"));
        }
        let control = String::from_utf8_lossy(&members["control"]).into_owned();
        let field = |name: &str| {
            control
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .unwrap_or_default()
        };
        let scripts = PackageScripts {
            package: field("Package"),
            version: field("Version"),
            architecture: field("Architecture"),
            members: &members,
            paths: &[],
        };
        packages += 1;
        let explanation = explain(&scripts, None);
        match explanation.unexplained() {
            None => explained += 1,
            Some(unexplained) => println!("{unexplained}"),
        }
    }
    println!("{explained} of {packages} packages are wholly explained");
    assert!(packages > 0, "no package was read");
}
