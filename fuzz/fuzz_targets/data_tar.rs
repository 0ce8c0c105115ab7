//! A data member of any bytes, in a package that is otherwise sound: tar in all its dialects.
#![no_main]

use std::io;

use basalt_deb::deb::{DataKind, Limits, read};
use libfuzzer_sys::fuzz_target;

/// A sound package; what stands before its data member is taken.
const SOUND: &[u8] = include_bytes!("../corpus/deb/gnu");

fuzz_target!(|bytes: &[u8]| {
    let Some(end) = SOUND.windows(8).position(|window| window == b"data.tar") else {
        return;
    };
    let mut package = SOUND[..end].to_vec();
    let header = format!(
        "{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
        "data.tar",
        0,
        0,
        0,
        "100644",
        bytes.len()
    );
    package.extend_from_slice(header.as_bytes());
    package.extend_from_slice(bytes);
    if bytes.len() % 2 == 1 {
        package.push(b'\n');
    }
    let limits = Limits {
        data: 1 << 22,
        ratio: 100,
        always: 1 << 20,
        entries: 1000,
        control: 1 << 20,
        names: 1 << 20,
    };
    let _ = read(package.as_slice(), &limits, &mut |entry, content| {
        let length = io::copy(content, &mut io::sink())?;
        match entry.kind {
            DataKind::File { size } => assert_eq!(length, size),
            _ => assert_eq!(length, 0),
        }
        Ok(())
    });
});
