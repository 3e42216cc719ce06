//! Pipes through which the kernel moves bytes from one socket to another without copying them.
//!
//! A way takes one when it has bytes to move and gives it back when it is empty; idle connections have none.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Mutex, PoisonError},
};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::{io::Interest, net::TcpStream};

/// Bytes that a pipe is asked to hold: what the kernel allows anybody.
const SIZE: usize = 1024 * 1024;

/// Empty pipes that are kept.
const KEPT: usize = 16;

/// Empty pipes, for any way that has bytes to move.
#[derive(Debug, Default)]
pub(crate) struct Pipes(Mutex<Vec<Pipe>>);

/// A pipe and how much is in it.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    holds: usize,
}

impl Pipes {
    pub(super) fn take(&self) -> io::Result<Pipe> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.map_or_else(Pipe::new, Ok)
    }

    /// Keeps a pipe for others. One with bytes in it is dropped with them.
    pub(super) fn give_back(&self, pipe: Pipe) {
        let mut pipes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pipe.holds == 0 && pipes.len() < KEPT {
            pipes.push(pipe);
        }
    }
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one is slower and no less right.
        let _ = fcntl_setpipe_size(&write, SIZE);
        Ok(Self { read, write, holds: 0 })
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.holds == 0
    }

    /// Bytes in it.
    pub(super) fn holds(&self) -> usize {
        self.holds
    }

    /// Takes what has arrived at the socket into the pipe, which is empty. 0 is the end of the stream.
    pub(super) fn fill(&mut self, source: &TcpStream) -> io::Result<usize> {
        let moved = source.try_io(Interest::READABLE, || {
            Ok(splice(source, None, &self.write, None, SIZE, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)
        })?;
        self.holds += moved;
        Ok(moved)
    }

    /// Gives what is in the pipe to the socket, as far as it takes it.
    pub(super) fn empty(&mut self, sink: &TcpStream) -> io::Result<usize> {
        let moved = sink.try_io(Interest::WRITABLE, || {
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            Ok(splice(&self.read, None, sink, None, self.holds, flags)?)
        })?;
        self.holds = self.holds.saturating_sub(moved);
        Ok(moved)
    }
}
