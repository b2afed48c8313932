//! Random numbers from a seed (`SplitMix64`: Steele, Lea and Flood, 2014). Not a crate's: a seed that a failing test printed has
//! to give the same delays and bytes with each later version.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

/// A seed that nobody chose.
pub(crate) fn fresh_seed() -> u64 {
    // std keys its hash maps with the system's randomness; a number that a person can copy is enough of it.
    RandomState::new().build_hasher().finish() % 1_000_000_000
}

impl Random {
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

    /// Uniform, at least 0 and below 1.
    #[allow(clippy::cast_precision_loss)] // 53 bits are what it has
    pub(crate) fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_that_it_always_gave() {
        let mut random = Random::new(1_234_567);
        // The first values of the reference implementation for this seed.
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn fractions_stay_below_one() {
        let mut random = Random::new(7);
        assert!((0..10_000).map(|_| random.next_f64()).all(|number| (0.0..1.0).contains(&number)));
    }
}
