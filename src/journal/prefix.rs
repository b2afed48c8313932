//! The first bytes of a request or of trailing bytes, and how many there were in all.

#[derive(Debug)]
pub(crate) struct Prefix {
    pub(crate) bytes: Vec<u8>,
    pub(crate) len: u64,
    retain: usize,
}

impl Prefix {
    /// Keeps at most `retain` bytes.
    pub(crate) fn new(retain: usize) -> Self {
        Prefix { bytes: Vec::new(), len: 0, retain }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let room = self.retain - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.len += bytes.len() as u64;
    }
}
