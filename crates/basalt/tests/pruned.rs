//! Builds beside which the cache is pruned without end.

#[path = "support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use support::mirror::Mirror;
use support::workplace::{SPEC, Workplace};

/// Prunes all there is, over and over, while something is done; returns how often.
fn pruning(place: &Workplace, act: impl FnOnce()) -> usize {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                let prune = ["cache", "prune", "--older-than", "0", "--maximum-size", "0"];
                place.basalt(&prune).succeeded();
                count += 1;
            }
            count
        });
        act();
        done.store(true, Ordering::Relaxed);
        pruner.join().expect("it prunes")
    })
}

/// Makes all files of the cache look as if nobody had used them for a month.
fn age(folder: &Path) {
    let month = SystemTime::now() - Duration::from_secs(30 * 86_400);
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        match entry.path().is_dir() {
            true => age(&entry.path()),
            false => File::open(entry.path())
                .and_then(|file| file.set_modified(month))
                .expect("it is ours"),
        }
    }
}

#[test]
fn a_fresh_build_and_one_from_the_cache_bear_a_prune_beside_them() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    let beside = pruning(&place, || {
        for _ in 0..3 {
            place.build_from(&mirror).succeeded();
            fs::remove_dir_all(place.path("out")).expect("it is there");
        }
    });
    assert!(beside > 0, "nothing was pruned");
    for round in 0..5 {
        place.build_from(&mirror).succeeded();
        fs::remove_dir_all(place.path("out")).expect("it is there");
        age(&place.path("cache/blobs"));
        age(&place.path("cache/facts"));
        pruning(&place, || {
            let arguments = ["build", "image.yaml", "-o", "out", "--locked"];
            place.basalt_from(&mirror, &arguments).succeeded();
        });
        assert!(place.path("out/index.json").exists(), "round {round}");
    }
}

#[test]
fn a_build_without_a_network_holds_the_cache_while_it_runs() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place.build_from(&mirror).succeeded();
    for _ in 0..5 {
        fs::remove_dir_all(place.path("out")).expect("it is there");
        age(&place.path("cache/blobs"));
        age(&place.path("cache/facts"));
        let arguments = ["build", "image.yaml", "-o", "out", "--locked", "--offline"];
        let mut build = place
            .command_from(&mirror, &arguments)
            .spawn()
            .expect("it starts");
        let holds = || {
            let notes = fs::read_dir(place.path("cache/holds"))
                .into_iter()
                .flatten();
            notes
                .flatten()
                .any(|one| one.metadata().is_ok_and(|facts| facts.len() > 0))
        };
        while !holds() && build.try_wait().expect("it is ours").is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut status = None;
        pruning(&place, || status = Some(build.wait().expect("it ends")));
        assert_eq!(status.and_then(|status| status.code()), Some(0));
        // For the next round: what it had is there no more.
        place.build_from(&mirror).succeeded();
    }
}

#[test]
fn several_builds_at_once_bear_a_prune_beside_them() {
    let mirror = Mirror::honest();
    let place = Workplace::warm(SPEC);
    place
        .basalt_from(&mirror, &["lock", "image.yaml"])
        .succeeded();
    pruning(&place, || {
        std::thread::scope(|scope| {
            for number in 0..3 {
                let (place, mirror) = (&place, &mirror);
                scope.spawn(move || {
                    for _ in 0..3 {
                        let output = format!("out-{number}");
                        let arguments = ["build", "image.yaml", "--locked", "-o", &output];
                        place.basalt_from(mirror, &arguments).succeeded();
                        fs::remove_dir_all(place.path(&output)).expect("it is there");
                    }
                });
            }
        });
    });
}
