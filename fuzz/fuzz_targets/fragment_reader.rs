//! A fragment whose record and bytes are both hostile: each file is given back in its length, or
//! refused; a layer is made of it, or refused.
#![no_main]

use std::collections::BTreeMap;
use std::io::{self, Cursor};

use basalt_digest::Digest;
use basalt_layer::{Chunk, Codec, Extent, Fragment, FragmentReader, FragmentSource, write_layer};
use basalt_tree::TreePath;
use libfuzzer_sys::fuzz_target;

/// Takes numbers from the front of the input.
struct Input<'b>(&'b [u8]);

impl Input<'_> {
    fn number<const LENGTH: usize>(&mut self) -> Option<u64> {
        let (taken, rest) = self.0.split_first_chunk::<LENGTH>()?;
        self.0 = rest;
        let mut number = [0; 8];
        number[..LENGTH].copy_from_slice(taken);
        Some(u64::from_le_bytes(number))
    }
}

/// The record at the front of the input; what is left are the compressed bytes.
fn record(input: &mut Input<'_>) -> Option<Fragment> {
    let codec = if input.number::<1>()? % 2 == 0 {
        Codec::Gzip
    } else {
        Codec::Zstd
    };
    let mut chunks = Vec::new();
    for _ in 0..input.number::<1>()? % 8 {
        chunks.push(Chunk {
            size: u32::try_from(input.number::<4>()?).ok()?,
            uncompressed_size: u32::try_from(input.number::<4>()?).ok()?,
        });
    }
    let mut files = BTreeMap::new();
    for file in 0..input.number::<1>()? % 4 {
        let extent = Extent {
            offset: input.number::<8>()?,
            size: input.number::<8>()?,
        };
        files.insert(TreePath::new(&format!("usr/{file}")).ok()?, extent);
    }
    Some(Fragment {
        codec,
        uncompressed_size: input.number::<8>()?,
        digest: Digest::of(input.0),
        size: input.0.len() as u64,
        chunks,
        files,
    })
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some(fragment) = record(&mut input) else {
        return;
    };
    if let Ok(mut reader) = FragmentReader::new(&fragment, Cursor::new(input.0)) {
        for (path, extent) in &fragment.files {
            if let Ok(content) = reader.read(path) {
                assert_eq!(content.len() as u64, extent.size);
            }
        }
    }
    let source = FragmentSource {
        fragment: &fragment,
        reader: input.0,
    };
    let _ = write_layer([], [source], fragment.codec, io::sink());
});
