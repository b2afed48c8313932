//! Random numbers from a seed: `SplitMix64` (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators",
//! 2014).
//!
//! Written here because a seed is put into a test and must give the same bytes in every version of this crate, which the
//! `rand` crates do not promise. Not for secrets.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A new seed.
pub(crate) fn fresh_seed() -> u64 {
    // std seeds its hash maps from the system's random numbers. Nine digits are short enough to copy.
    RandomState::new().build_hasher().finish() % 1_000_000_000
}

/// An endless row of numbers. The same seed gives the same row, on every machine and in every version.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// All seeds are equally good, 0 included.
    pub(crate) fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly spread over 0 ≤ x < 1.
    pub(crate) fn next_f64(&mut self) -> f64 {
        // The 53 bits that a float holds exactly; rounding more of them could give 1.
        #[allow(clippy::cast_precision_loss)]
        let (numerator, denominator) = ((self.next_u64() >> 11) as f64, (1_u64 << 53) as f64);
        numerator / denominator
    }

    /// Fills `bytes` with the next numbers in little-endian order. The rest of the last number is dropped.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next_u64().to_le_bytes()[..piece.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_algorithm() {
        // What its authors' programs print for these seeds.
        for (seed, expected) in [
            (0, [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]),
            (
                1_234_567,
                [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423],
            ),
        ] {
            let mut random = Random::new(seed);
            assert_eq!(expected.map(|_| random.next_u64()), expected, "seed {seed}");
        }
    }

    #[test]
    fn bytes_are_those_of_the_numbers_and_a_rest_is_cut() {
        let mut bytes = [0; 11];
        Random::new(0).fill(&mut bytes);
        assert_eq!(bytes, *b"\xAF\xCD\x1D\x7B\x39\xA8\x20\xE2\xF4\x65\xB9");
    }

    #[test]
    fn floats_are_in_their_half_open_range_and_evenly_spread() {
        let mut random = Random::new(7);
        let mut tenths = [0; 10];
        for _ in 0..100_000 {
            let number = random.next_f64();
            assert!((0.0..1.0).contains(&number), "{number}");
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let tenth = (number * 10.0) as usize;
            tenths[tenth] += 1;
        }
        assert!(tenths.iter().all(|count| (9_500..10_500).contains(count)), "{tenths:?}");
    }
}
