//! What the lock promises.

use basalt_digest::Digest;
use basalt_lock::{Change, Lock, LockError, difference};

/// A lock of format 1. It must load for ever: never change it, add another beside it.
const FORMAT_1: &str = include_str!("fixtures/format-1.json");

fn lock() -> Lock {
    Lock::parse(FORMAT_1.as_bytes()).expect("the fixture loads")
}

fn refused(change: impl FnOnce(String) -> String) -> LockError {
    let text = change(FORMAT_1.to_owned());
    assert_ne!(text, FORMAT_1, "the change took hold");
    Lock::parse(text.as_bytes()).expect_err("it is refused")
}

#[test]
fn format_1_loads_and_is_written_back_byte_for_byte() {
    assert_eq!(lock().render().expect("it renders"), FORMAT_1);
}

#[test]
fn a_package_for_all_serves_every_architecture() {
    let lock = lock();
    assert_eq!(
        lock.package("tzdata", "arm64")
            .map(|one| &*one.architecture),
        Some("all")
    );
    assert_eq!(lock.package("base-files", "arm64"), None);
    let image = lock.image("amd64", "debug").expect("it is there");
    assert_eq!(lock.packages_of(image).count(), 1);
}

#[test]
fn another_format_says_what_to_do_even_when_its_keys_are_unknown() {
    let error = refused(|text| text.replacen("\"format\": 1", "\"format\": 2, \"new\": true", 1));
    assert_eq!(error, LockError::Format { found: 2 });
    assert!(error.to_string().contains("newer basalt"), "{error}");
}

#[test]
fn a_newer_compatibility_is_refused() {
    let error = refused(|text| text.replacen("\"compatibility\": 1", "\"compatibility\": 9", 1));
    assert_eq!(error, LockError::Compatibility { found: 9 });
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let error = refused(|text| text.replacen("\"size\": 72944", "\"sise\": 72944", 1));
    let LockError::Syntax { line, message, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*line, 28);
    assert!(message.contains("sise"), "{message}");
}

#[test]
fn a_path_that_leaves_the_archive_is_refused() {
    for path in ["../x", "/etc/x", "pool//x", "pool/./x", "", "a\\\\b"] {
        let error = refused(|text| {
            text.replacen("pool/main/t/tzdata/tzdata_2026b-0+deb13u1_all.deb", path, 1)
        });
        assert!(
            error.to_string().contains("packages[1] (tzdata)"),
            "{error}"
        );
    }
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let twice =
        refused(|text| text.replacen("\"name\": \"tzdata\"", "\"name\": \"base-files\"", 1));
    assert!(
        twice.to_string().contains("out of order or there twice"),
        "{twice}"
    );
    let unknown = refused(|text| {
        text.replacen(
            "        \"base-files\",\n        \"tzdata\"",
            "        \"base-files\",\n        \"zlib\"",
            1,
        )
    });
    assert!(unknown.to_string().contains("`zlib`"), "{unknown}");
    let unplaced =
        refused(|text| text.replacen("        [\n          \"tzdata\"\n        ],\n", "", 1));
    assert!(unplaced.to_string().contains("in no layer"), "{unplaced}");
    let archive = refused(|text| text.replacen("\"suite\": \"trixie\"", "\"suite\": \"sid\"", 1));
    assert!(archive.to_string().contains("no snapshot"), "{archive}");
}

#[test]
fn a_date_with_another_offset_is_the_same_moment() {
    let text = FORMAT_1.replacen("2026-11-21T09:15:44Z", "2026-11-21T10:15:44+01:00", 1);
    assert_eq!(Lock::parse(text.as_bytes()), Ok(lock()));
}

#[test]
fn order_does_not_matter_before_it_is_written() {
    let mut shuffled = lock();
    shuffled.packages.reverse();
    shuffled.images.reverse();
    assert_eq!(shuffled.render().expect("it renders"), FORMAT_1);
}

#[test]
fn every_cut_of_a_lock_is_refused_and_none_panics() {
    for end in 0..FORMAT_1.trim_end().len() {
        assert!(Lock::parse(&FORMAT_1.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn a_lock_does_not_differ_from_itself() {
    let found = difference(&lock(), &lock());
    assert!(found.is_empty());
    assert_eq!(found.to_string(), "no difference\n");
}

#[test]
fn a_difference_reads_like_a_change_log() {
    let former = lock();
    let mut latter = lock();
    latter.archives[0].date += 86_400;
    latter.packages[0].version = "13.9".to_owned();
    latter.packages[0].scripts.clear();
    latter.packages[1].sha256 = Digest::of(b"other");
    latter.packages.push({
        let mut added = latter.packages[1].clone();
        added.name = "zlib1g".to_owned();
        added.version = "1:1.3".to_owned();
        added
    });
    latter.images.pop();
    latter.images[0].packages.push("zlib1g".to_owned());
    latter.users.insert("app".to_owned(), 1000);
    latter.files.clear();
    let found = difference(&former, &latter);
    assert_eq!(
        found.to_string(),
        "archive debian trixie: 2026-11-21T09:15:44Z → 2026-11-22T09:15:44Z\n\
         ~ base-files 13.8+deb13u2 → 13.9 (amd64), scripts: postinst\n\
         ~ tzdata 2026b-0+deb13u1, other content of the same version (all)\n\
         + zlib1g 1:1.3 (all)\n\
         image amd64: +zlib1g\n\
         image amd64 debug: removed\n\
         user app: added, 1000\n\
         file files/motd: removed\n"
    );
    assert!(matches!(found.packages[1].change, Change::Content { .. }));
}

#[test]
fn architectures_that_move_together_are_told_together() {
    let mut former = lock();
    let mut other = former.packages[0].clone();
    other.architecture = "arm64".to_owned();
    former.packages.insert(1, other);
    let mut latter = former.clone();
    for package in &mut latter.packages[..2] {
        package.version = "14".to_owned();
    }
    assert_eq!(
        difference(&former, &latter).to_string(),
        "~ base-files 13.8+deb13u2 → 14 (amd64, arm64)\n"
    );
}

#[test]
fn a_lock_of_300_kb_is_read_in_milliseconds() {
    let mut large = lock();
    let one = large.packages[1].clone();
    for number in 0..700 {
        let mut package = one.clone();
        package.name = format!("zz-package-{number:04}");
        large.images[0].packages.push(package.name.clone());
        large.images[0].layers[0].push(package.name.clone());
        large.packages.push(package);
    }
    let text = large.render().expect("it renders");
    assert!(text.len() > 300_000, "{}", text.len());
    let best = (0..10)
        .map(|_| {
            let start = std::time::Instant::now();
            Lock::parse(text.as_bytes()).expect("it loads");
            start.elapsed()
        })
        .min()
        .expect("ten runs");
    println!("{} bytes in {best:?}", text.len());
    // 2 ms in a release build; this one checks overflow and shares its machine.
    assert!(best.as_millis() < 40, "{best:?}");
}

#[test]
fn what_is_kept_of_a_package_is_compared_and_checked() {
    let former = lock();
    let mut latter = lock();
    let image = &mut latter.images[0];
    let package = image.packages[0].clone();
    let patterns = vec!["/a".to_owned(), "/b/**".to_owned()];
    image.kept.insert(package.clone(), patterns);
    let name = format!("{} {}", image.architecture, image.variant);
    let said = difference(&former, &latter).to_string();
    assert_eq!(
        said,
        format!("kept {} {package}: +/a +/b/**\n", name.trim_end())
    );
    let text = latter.render().expect("it renders");
    assert_eq!(Lock::parse(text.as_bytes()).as_ref(), Ok(&latter));
    let mut wrong = latter.clone();
    wrong.images[0]
        .kept
        .insert("stranger".to_owned(), Vec::new());
    let error = wrong.render().expect_err("it is refused").to_string();
    assert!(error.contains("stranger"), "{error}");
    latter.images[0]
        .kept
        .insert(package, vec!["/b".to_owned(), "/a".to_owned()]);
    let error = latter.render().expect_err("it is refused").to_string();
    assert!(error.contains("out of order"), "{error}");
}
