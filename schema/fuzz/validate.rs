//! Any bytes as a document of each kind: half of the changes keep them JSON.

#![no_main]

#[path = "../tests/hostile/invariants.rs"]
mod invariants;
#[path = "../tests/hostile/mutation.rs"]
mod mutation;

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mutation::Vocabulary;
use ocf_schema::{Kind, Text, embedded};
use ocf_spec::VERSIONS;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    // The length is as good as chance, and leaves the bytes to be a plain document.
    let version = VERSIONS[bytes.len() % VERSIONS.len()];
    for kind in Kind::FORMAT {
        invariants::check(kind, bytes, version);
    }
    if let Ok(text) = Text::read(bytes) {
        let found =
            invariants::writings(text.value()).map(|it| invariants::found(embedded(Kind::Config, version), &it));
        assert!(found[0] == found[1] && found[0] == found[2], "{found:#?}");
    }
});

fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = if seed & 1 == 0 { changed(&bytes[..size], seed) } else { None };
    match changed.filter(|it| it.len() <= max_size) {
        Some(changed) => {
            bytes[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(bytes, size, max_size),
    }
});

/// The document with some changes; `None` if it is none.
fn changed(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    static VOCABULARY: OnceLock<Vocabulary> = OnceLock::new();
    let mut document: Value = serde_json::from_slice(bytes).ok()?;
    let mut state = u64::from(seed);
    let mut choose = |below: usize| (next(&mut state) % below as u64) as usize;
    for _ in 0..=choose(4) {
        mutation::mutate(&mut document, VOCABULARY.get_or_init(Vocabulary::of_format), &mut choose);
    }
    let written = if choose(2) == 0 { serde_json::to_vec(&document) } else { serde_json::to_vec_pretty(&document) };
    written.ok()
}

/// SplitMix64, by Steele, Lea and Flood.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
