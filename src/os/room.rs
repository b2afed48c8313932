//! Large buffers, which go from connection to connection: one that waits for a request keeps a small buffer at most, and one that needs
//! a large buffer again seldom has to allocate it.

use std::mem;
use std::sync::Mutex;

use super::lock::lock;

/// What a connection keeps of a buffer while it waits: a record of TLS, and what was before it. Small exchanges need no more.
const KEPT: usize = 20 * 1024;

/// A larger buffer is needed for few requests, and is freed.
const LARGEST_SPARE: usize = 512 * 1024;

/// How many buffers wait for a connection that needs one. Few connections move bytes at once, since a loop serves them.
const SPARES: usize = 4;

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Makes a buffer at least as long as `length`. Its first `used` bytes stay; the others are any.
pub(crate) fn grow(buffer: &mut Vec<u8>, used: usize, length: usize) {
    if length > KEPT
        && buffer.len() <= KEPT
        && let Some(mut spare) = lock(&SPARE).pop()
    {
        spare[..used].copy_from_slice(&buffer[..used]);
        *buffer = spare;
    }
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
}

/// Takes a large buffer away from a connection that needs nothing of it.
pub(crate) fn give_up(buffer: &mut Vec<u8>) {
    if buffer.capacity() <= KEPT {
        return;
    }
    let buffer = mem::take(buffer);
    if (KEPT..=LARGEST_SPARE).contains(&buffer.len()) {
        let mut spare = lock(&SPARE);
        if spare.len() < SPARES {
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_keeps_its_bytes_when_it_grows_and_a_small_one_stays() {
        let mut small = b"small".to_vec();
        give_up(&mut small);
        assert_eq!(small, b"small");
        for round in 0..2 * SPARES {
            let mut buffer = b"begun, and more".to_vec();
            grow(&mut buffer, 5, KEPT + round);
            assert_eq!(&buffer[..5], b"begun");
            assert!(buffer.len() >= KEPT + round);
            grow(&mut buffer, 5, 3 * KEPT);
            assert_eq!(&buffer[..5], b"begun");
            give_up(&mut buffer);
            assert_eq!(buffer.capacity(), 0);
        }
        assert!(lock(&SPARE).len() <= SPARES);
    }
}
