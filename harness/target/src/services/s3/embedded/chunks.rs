//! Cuts the chunks of an `aws-chunked` body small, before `s3s` gathers each of them whole in memory.
//!
//! Some clients send a body of any size as one chunk. Only unsigned chunks are cut: a signature is over a whole one.

use std::io;

use bytes::{Bytes, BytesMut};

/// What `x-amz-content-sha256` says of a body in unsigned chunks.
pub(super) const UNSIGNED: &[u8] = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// The longest line before a chunk.
const MAX_LINE: usize = 1024;

/// Turns a body, piece by piece, into the same body in chunks no longer than the pieces.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    at: At,
}

/// Where in the body the next byte belongs.
#[derive(Debug)]
enum At {
    /// In the line with a chunk's length; what came of it so far.
    Line(Vec<u8>),
    /// So many bytes before the end of a chunk's data.
    Data(u64),
    /// In the line end after a chunk's data; how much of it came.
    End(usize),
    /// After the last chunk: trailers.
    Tail,
}

impl Default for At {
    fn default() -> Self {
        Self::Line(Vec::new())
    }
}

impl Cutter {
    /// What to hand on for the next piece of the body; perhaps nothing yet.
    ///
    /// # Errors
    /// When the body is not in chunks.
    pub(super) fn cut(&mut self, mut piece: Bytes) -> io::Result<Bytes> {
        let mut out = BytesMut::new();
        while !piece.is_empty() {
            self.at = match std::mem::replace(&mut self.at, At::Tail) {
                At::Line(mut line) => {
                    let taken = piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |at| at + 1);
                    line.extend_from_slice(&piece.split_to(taken));
                    if line.last() == Some(&b'\n') {
                        match length(&line)? {
                            0 => {
                                out.extend_from_slice(b"0\r\n");
                                At::Tail
                            }
                            length => At::Data(length),
                        }
                    } else if line.len() <= MAX_LINE {
                        At::Line(line)
                    } else {
                        return Err(malformed());
                    }
                }
                At::Data(left) => {
                    let taken = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    out.extend_from_slice(format!("{taken:x}\r\n").as_bytes());
                    out.extend_from_slice(&piece.split_to(taken));
                    out.extend_from_slice(b"\r\n");
                    match left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX)) {
                        0 => At::End(0),
                        left => At::Data(left),
                    }
                }
                At::End(seen) => {
                    let byte = piece.split_to(1);
                    match (seen, byte.first()) {
                        (0, Some(b'\r')) => At::End(1),
                        (1, Some(b'\n')) => At::default(),
                        _ => return Err(malformed()),
                    }
                }
                At::Tail => {
                    out.extend_from_slice(&piece.split_to(piece.len()));
                    At::Tail
                }
            };
        }
        Ok(out.freeze())
    }
}

/// The length in a chunk's line; what follows a `;` says nothing here.
fn length(line: &[u8]) -> io::Result<u64> {
    let digits = line.split(|byte| matches!(byte, b';' | b'\r' | b'\n')).next().unwrap_or_default();
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.is_empty() && !text.starts_with('+'));
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the body is not in chunks")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::Cutter;

    /// Reads chunks back: the data, the longest chunk, and what follows the last.
    fn read(mut body: &[u8]) -> (Vec<u8>, usize, Vec<u8>) {
        let (mut data, mut longest) = (Vec::new(), 0);
        loop {
            let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
            let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
            body = &body[end + 2..];
            if length == 0 {
                return (data, longest, body.to_vec());
            }
            data.extend_from_slice(&body[..length]);
            longest = longest.max(length);
            assert_eq!(&body[length..length + 2], b"\r\n");
            body = &body[length + 2..];
        }
    }

    proptest! {
        #[test]
        fn the_bytes_stay_and_the_chunks_shrink(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..5),
            size in 1_usize..50,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:X};ignored=1\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            let tail = b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n";
            body.extend_from_slice(b"0\r\n");
            body.extend_from_slice(tail);
            let mut cutter = Cutter::default();
            let mut out = Vec::new();
            for piece in body.chunks(size) {
                out.extend_from_slice(&cutter.cut(Bytes::copy_from_slice(piece)).unwrap());
            }
            let (data, longest, rest) = read(&out);
            prop_assert_eq!(data, chunks.concat());
            prop_assert!(longest <= size);
            prop_assert_eq!(rest, tail);
        }
    }

    #[test]
    fn what_is_not_in_chunks_is_refused() {
        let endless = format!("1;{}", "x".repeat(2000));
        for body in ["hello\r\n", "\r\n", "-1\r\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n", &endless] {
            let refused = Cutter::default().cut(Bytes::copy_from_slice(body.as_bytes()));
            assert!(refused.is_err(), "{body:?}: {refused:?}");
        }
    }
}
