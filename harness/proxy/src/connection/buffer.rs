//! Buffers for the bytes that a chain is given, used again and again: fresh memory from the system costs more than the
//! copy into it.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

/// Bytes in a chunk at most, as in Toxiproxy.
pub(super) const CHUNK: usize = 32 * 1024;

/// Unused buffers that are kept: what a full socket lets go at once.
const KEPT: usize = 512;

/// Unused buffers, for any way that has a chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Box<[u8]>>>>);

/// A buffer of [`CHUNK`] bytes, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    home: Buffers,
}

impl Buffers {
    pub(super) fn take(&self) -> Buffer {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = kept.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice());
        Buffer { bytes, filled: 0, home: self.clone() }
    }
}

impl Buffer {
    /// Where bytes are read to.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first bytes of it as a chunk. A few are copied, so that small chunks which wait hold no large buffers.
    pub(super) fn into_chunk(mut self, filled: usize) -> Bytes {
        self.filled = filled;
        if filled < CHUNK / 2 { Bytes::copy_from_slice(self.as_ref()) } else { Bytes::from_owner(self) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(mem::take(&mut self.bytes));
        }
    }
}
