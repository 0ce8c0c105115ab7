//! Any bytes under any compression end, in bounded memory; what comes out compiles as an index or is refused.
#![no_main]

use std::io::Read;

use basalt_deb::compression::Compression;
use basalt_deb::packages::compile;
use libfuzzer_sys::fuzz_target;

const ALL: [Compression; 6] = [
    Compression::None,
    Compression::Gzip,
    Compression::Xz,
    Compression::Zstd,
    Compression::Bzip2,
    Compression::Lzma,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let compression = ALL[usize::from(*first) % ALL.len()];
    if let Ok(reader) = compression.reader(rest) {
        let _ = compile(reader.take(1 << 22), "amd64");
    }
});
