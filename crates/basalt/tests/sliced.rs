//! `slices`: images that have only named parts of packages.
//!
//! These tests need the archive's mirror.

mod support;

use std::fs;

use support::mirror::Mirror;
use support::workplace::{Run, Workplace};

const SPEC: &str = "\
name: probe
releases: [trixie]
architectures: [amd64]
slices:
  hostname: [bins]
slice-definitions: [definitions]
";

const HOSTNAME: &str = "\
package: hostname
slices:
  bins:
    essential:
      - libc6_libs
    contents:
      /usr/bin/hostname:
      /etc/hostname.d/: {make: true}
      /etc/hostname.d/default: {text: probe}
  aliases:
    contents:
      /usr/bin/*domainname:
  loud:
    contents:
      /etc/hostname.d/default: {text: PROBE}
";

fn place(spec: &str) -> Workplace {
    let place = Workplace::warm(spec);
    fs::create_dir(place.path("definitions")).expect("a folder");
    place.write("definitions/hostname.yaml", HOSTNAME);
    place
}

fn explained(place: &Workplace, mirror: &Mirror, path: &str) -> Run {
    place
        .basalt_in(&[], mirror, &["explain", "image.yaml", path])
        .succeeded()
}

#[test]
fn an_image_has_what_its_slices_name_and_nothing_else_of_the_package() {
    let mirror = Mirror::honest();
    let place = place(SPEC);
    let built = place.build_from(&mirror).succeeded();
    assert!(
        built.out.contains("2 packages in part"),
        "{}{}",
        built.out,
        built.error
    );
    for path in [
        "/usr/bin/hostname",
        "/usr/share/doc/hostname/copyright",
        "/etc/hostname.d/default",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
    ] {
        let told = explained(&place, &mirror, path);
        assert!(!told.out.contains("left out"), "{path}: {}", told.out);
    }
    let told = explained(&place, &mirror, "/usr/bin/dnsdomainname");
    assert!(
        told.out
            .contains("left out by slices: hostname has slices bins"),
        "{}",
        told.out
    );
    let told = explained(&place, &mirror, "/usr/lib/x86_64-linux-gnu/libm.so.6");
    assert!(
        told.out
            .contains("left out by slices: libc6 has slices libs")
            && told.out.contains("content  sha256:"),
        "{}",
        told.out
    );
    place
        .basalt_in(&[], &mirror, &["explain", "image.yaml", "/usr/bin/nothing"])
        .refused(1, &["/usr/bin/nothing"]);
}

#[test]
fn what_is_left_out_is_recorded_with_sizes_and_digests() {
    let mirror = Mirror::honest();
    let place = place(SPEC);
    place.build_from(&mirror).succeeded();
    let path = "/usr/lib/x86_64-linux-gnu/libm.so.6";
    let told = place
        .basalt_in(&[], &mirror, &["explain", "image.yaml", path, "--json"])
        .succeeded()
        .json();
    assert_eq!(told["package"], "libc6");
    assert_eq!(told["slices"], serde_json::json!(["libs"]));
    let left_out = &told["left-out"];
    assert_eq!(left_out["path"], path[1..]);
    assert!(
        left_out["size"].as_u64().is_some_and(|size| size > 100_000),
        "{told}"
    );
    assert!(
        left_out["digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:")),
        "{told}"
    );
}

#[test]
fn scanners_see_which_packages_are_there_in_part() {
    let mirror = Mirror::honest();
    let place = place(&SPEC.replace(
        "slice-definitions",
        "packages:\n  - { name: netbase, dependencies: false }\nslice-definitions",
    ));
    place.build_from(&mirror).succeeded();
    let (plain, _) = place.layers();
    let plain = String::from_utf8_lossy(&plain);
    let stanza = |package: &str| {
        let start = plain
            .find(&format!("Package: {package}\n"))
            .expect("it is listed");
        let rest = &plain[start..];
        rest[..rest.find('\0').unwrap_or(rest.len())].to_owned()
    };
    assert!(stanza("hostname").contains("X-Basalt-Slices: bins\n"));
    assert!(stanza("libc6").contains("X-Basalt-Slices: libs\n"));
    assert!(
        !stanza("netbase").contains("X-Basalt-Slices"),
        "it is whole"
    );
    assert!(plain.contains("  usr/bin/hostname\n"), "its checksum");
    assert!(
        !plain.contains("  usr/share/man/man1/hostname.1.gz\n") && !plain.contains("libm.so.6\n"),
        "no checksum of what is not there"
    );
    let listed = place.basalt(&["inspect", "out", "--packages"]).succeeded();
    assert!(
        listed
            .out
            .lines()
            .any(|line| line.contains("hostname ") && line.contains("bins")),
        "{}",
        listed.out
    );
}

/// The digests of an image's layers, from the first up.
fn layers_of(place: &Workplace, layout: &str) -> Vec<String> {
    let mut document: serde_json::Value =
        serde_json::from_str(&place.read(&format!("{layout}/index.json"))).expect("JSON");
    while let Some(digest) = document["manifests"][0]["digest"].as_str() {
        let blob = format!("{layout}/blobs/{}", digest.replace(':', "/"));
        document = serde_json::from_str(&place.read(&blob)).expect("JSON");
    }
    let layers = document["layers"].as_array().expect("layers");
    layers
        .iter()
        .map(|layer| layer["digest"].as_str().expect("a digest").to_owned())
        .collect()
}

#[test]
fn an_image_with_more_slices_of_a_package_keeps_the_layers_of_the_image_below() {
    let mirror = Mirror::honest();
    let place = place(SPEC);
    place.build_from(&mirror).succeeded();
    let below = layers_of(&place, "out");
    let packages = &below[..below.len() - 1];
    let with_libm = "slices:\n  libc6: [math]\n";
    for (name, more) in [
        ("slices-alone", String::new()),
        (
            "with-a-package",
            "packages:\n  - { name: netbase, dependencies: false }\n".to_owned(),
        ),
        (
            "with-a-variant",
            "variants:\n  more:\n    packages:\n      - { name: netbase, dependencies: false }\n"
                .to_owned(),
        ),
    ] {
        let spec = format!("include: [image.yaml]\nname: {name}\n{with_libm}{more}");
        place.write(&format!("{name}.yaml"), spec);
        let file = format!("{name}.yaml");
        let build = |variant: &str| {
            let output = format!("{name}{variant}");
            let mut arguments = vec!["build", &file, "-o", &output];
            if !variant.is_empty() {
                arguments.extend(["--variant", variant]);
            }
            place.basalt_from(&mirror, &arguments).succeeded();
            layers_of(&place, &output)
        };
        let over = build("");
        assert_eq!(&over[..packages.len()], packages, "{name}");
        assert!(over.len() > packages.len(), "{name}");
        let told = place
            .basalt_in(
                &[],
                &mirror,
                &["explain", &file, "/usr/lib/x86_64-linux-gnu/libm.so.6"],
            )
            .succeeded();
        assert!(!told.out.contains("left out"), "{}", told.out);
        let found = files_in(&place, name, &over[packages.len()..]);
        let is_libm = |path: &&String| path.ends_with("/libm.so.6");
        assert_eq!(found.iter().filter(is_libm).count(), 1, "{name}: {found:?}");
        assert!(
            !found.iter().any(|path| path.ends_with("/libc.so.6")),
            "{name}: what the image below has is not there again"
        );
        if name == "with-a-variant" {
            let variant = build("more");
            assert_eq!(&variant[..packages.len()], packages, "the variant");
            let found = files_in(&place, "with-a-variantmore", &variant[packages.len()..]);
            assert_eq!(found.iter().filter(is_libm).count(), 1, "{found:?}");
        }
    }
}

const WITH_ACCOUNTS: &str = "\
name: probe
releases: [trixie]
architectures: [amd64]
slices:
  hostname: [bins]
  base-files: [system]
  base-passwd: [accounts]
slice-definitions: [definitions]
";

const BASE_FILES: &str = "\
package: base-files
slices:
  system:
    contents:
      /etc/motd: {until: mutate}
      /etc/os-release:
      /root/:
      /usr/lib/os-release:
      /usr/share/base-files/**: {until: mutate}
";

#[test]
fn what_effects_need_or_make_and_nobody_else_is_gone_from_the_image() {
    let place = place(WITH_ACCOUNTS);
    place.write("definitions/base-files.yaml", BASE_FILES);
    place.build_from(&Mirror::honest()).succeeded();
    let layers = layers_of(&place, "out");
    let paths = files_in(&place, "out", &layers);
    let has = |path: &str| paths.iter().any(|one| one.trim_end_matches('/') == path);
    for path in ["etc/passwd", "etc/profile", "root/.profile"] {
        assert!(has(path), "{path}: {paths:?}");
    }
    for path in [
        "etc/motd",
        "usr/share/base-files",
        "usr/share/base-passwd/passwd.master",
    ] {
        assert!(!has(path), "{path}: {paths:?}");
    }
}

#[test]
fn a_definition_that_takes_away_what_nothing_makes_is_refused() {
    let place = place(WITH_ACCOUNTS);
    let definition = BASE_FILES.replace("/etc/motd:", "/etc/modt:");
    place.write("definitions/base-files.yaml", definition);
    place.build_from(&Mirror::honest()).refused(
        3,
        &["the slice base-files_system wants /etc/modt until effects are applied, and neither base-files nor its effects"],
    );
    place.has_nothing_of(&[]);
}

/// The paths of what stands in some layers of a layout.
fn files_in(place: &Workplace, layout: &str, layers: &[String]) -> Vec<String> {
    let mut paths = Vec::new();
    for digest in layers {
        let blob = format!("{layout}/blobs/{}", digest.replace(':', "/"));
        let bytes = fs::read(place.path(&blob)).expect("it is there");
        let decoder = flate2::bufread::MultiGzDecoder::new(bytes.as_slice());
        for entry in tar::Archive::new(decoder).entries().expect("a tar archive") {
            let entry = entry.expect("an entry");
            paths.push(entry.path().expect("a path").to_string_lossy().into_owned());
        }
    }
    paths
}

#[test]
fn a_lock_holds_the_definitions_that_it_was_made_with() {
    let mirror = Mirror::honest();
    let place = place(SPEC);
    place.build_from(&mirror).succeeded();
    let locked = |output: &str| {
        let arguments = ["build", "image.yaml", "-o", output, "--locked", "--offline"];
        place.basalt(&arguments)
    };
    locked("again").succeeded();
    assert_eq!(place.read("again/index.json"), place.read("out/index.json"));
    // Another one of a package that the image takes no slice of changes nothing.
    place.write(
        "definitions/dash.yaml",
        "package: dash\nslices: {bins: {contents: {/usr/bin/dash: }}}\n",
    );
    locked("with-another").succeeded();
    let refused = |output: &str| {
        let words = [
            "does not fit the spec: the slice definition of hostname is not the one that was locked",
            "run `basalt lock`",
        ];
        locked(output).refused(3, &words);
        assert!(!place.path(output).exists());
    };
    let changed = HOSTNAME.replace("/usr/bin/hostname:", "/usr/bin/*name:");
    place.write("definitions/hostname.yaml", changed);
    refused("changed");
    fs::remove_file(place.path("definitions/hostname.yaml")).expect("it was there");
    refused("missing");
    // It counts what a definition says, not the name of its file.
    place.write("definitions/renamed.yaml", HOSTNAME);
    locked("renamed").succeeded();
}

/// That a spec is refused with these words, and that there is no lock.
fn refused(spec: &str, words: &[&str]) {
    let place = place(spec);
    place.build_from(&Mirror::honest()).refused(3, words);
    assert!(!place.path("image.trixie.lock.json").exists(), "a lock");
    place.has_nothing_of(&[]);
}

#[test]
fn an_unknown_slice_is_an_error_where_the_spec_names_it() {
    refused(
        &SPEC.replace("[bins]", "[bin]"),
        &[
            "image.yaml:5:14",
            "the package `hostname` has no slice `bin` (did you mean `bins`?); it has: aliases, bins, loud",
        ],
    );
    refused(
        &SPEC.replace("  hostname:", "  hostnam:"),
        &[
            "image.yaml:5:3",
            "no slice definition of the package `hostnam` (did you mean `hostname`?)",
        ],
    );
}

#[test]
fn an_unknown_slice_of_an_included_spec_is_an_error_there() {
    let place = place("include: [below.yaml]\nname: probe\n");
    place.write("below.yaml", SPEC.replace("[bins]", "[bin]"));
    place
        .build_from(&Mirror::honest())
        .refused(3, &["below.yaml:5:14", "has no slice `bin`"]);
}

#[test]
fn a_definition_that_brings_an_unknown_slice_is_at_fault_itself() {
    let place = place(SPEC);
    place.write(
        "definitions/hostname.yaml",
        HOSTNAME.replace("libc6_libs", "libc6_lib"),
    );
    place.build_from(&Mirror::honest()).refused(
        3,
        &[
            "definitions/hostname.yaml:5:9",
            "the package `libc6` has no slice `lib` (did you mean `libs`?)",
        ],
    );
}

#[test]
fn slices_that_say_different_things_of_a_path_are_refused_where_the_second_does() {
    refused(
        &SPEC.replace("[bins]", "[bins, loud]"),
        &[
            "definitions/hostname.yaml:15:7",
            "the slices hostname_bins and hostname_loud say different things of /etc/hostname.d/default",
            "leave one of them out",
        ],
    );
}

#[test]
fn slices_of_a_package_that_another_provides_are_refused_where_the_spec_names_them() {
    refused(
        &SPEC.replace("  hostname: [bins]", "  libssl3: [libs]"),
        &[
            "image.yaml:5:3",
            "`libssl3` is no package of its own in trixie: another provides it",
        ],
    );
}

#[test]
fn a_definition_that_wants_what_the_package_has_not_is_refused() {
    let place = place(SPEC);
    place.write(
        "definitions/hostname.yaml",
        HOSTNAME.replace("/usr/bin/hostname:", "/usr/bin/hostnames:"),
    );
    place.build_from(&Mirror::honest()).refused(
        3,
        &["the slice hostname_bins wants /usr/bin/hostnames, and hostname "],
    );
    place.has_nothing_of(&[]);
}
