//! One way through a connection: bytes from one end through the chain to the other, polled by the connection's task.
//!
//! Nothing here waits inside a write: while the sink is full, the chain still takes changes and, as far as it wants,
//! input, and what cuts the connection for good is not kept waiting either. Without a toxic bytes pass by the chain: small ones in one read and one write, many ones in the kernel. An idle
//! way holds no buffer.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf as _, Bytes};
use tokio::io::ReadBuf;

use super::{Terms, pipe::Pipe, wire::Wire};
use crate::{
    chain::{Chain, Next},
    clock::Alarm,
    live::Open,
    proxy::Generation,
    spec::Direction,
    toxics::{Chunk, Cut, Item},
};

/// Bytes read at once where there is no toxic. A read that fills it is the sign of many more.
const COPY: usize = 64 * 1024;

/// Moves by the kernel that may be small before bytes are copied again.
const SMALL_MOVES: u8 = 8;

/// A move by the kernel, and a chunk, is small below this.
const SMALL: usize = 16 * 1024;

/// Large chunks that are written at once.
const GATHERED: usize = 8;

thread_local! {
    /// Where bytes are read to, before it is known how many they are.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How one way ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The source's end was passed on.
    Passed,
    /// The connection is to end.
    Cut(Cut),
    /// The sink takes nothing any more.
    Broken,
}

/// One way through a connection.
pub(super) struct Way {
    direction: Direction,
    chain: Chain,
    output: Output,
    /// What left the chain behind the output and is not to be written in one with it.
    behind: Option<Item>,
    /// How the source ended, and whether the chain has been given that.
    ending: Option<Item>,
    given: bool,
    /// Whether an end of the source is the end of a reset.
    broken: bool,
    /// Moves by the kernel before bytes are copied again; 0 while they are copied.
    bulk: u8,
    alarm: Alarm,
}

/// What is to be written before anything else.
enum Output {
    Nothing,
    Bytes(Bytes),
    /// Large chunks that left the chain together.
    Chunks(VecDeque<Bytes>),
    Pipe(Pipe),
    /// What was written may still be on its way out of a layer above the socket.
    Flush,
    End,
}

/// What a way has of its connection while it is polled.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) terms: &'a Terms,
    pub(super) open: &'a Open,
}

impl Way {
    pub(super) fn new(direction: Direction, chain: Chain, alarm: Alarm) -> Self {
        Self {
            direction,
            chain,
            output: Output::Nothing,
            behind: None,
            ending: None,
            given: false,
            broken: false,
            bulk: 0,
            alarm,
        }
    }

    /// Takes on the toxics of a generation.
    pub(super) fn reconcile(&mut self, generation: &Generation, around: Around<'_>) {
        self.chain.reconcile(&generation.toxics, Instant::now());
        self.record(around);
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Whether the source's end was swallowed, so that nothing comes of it while its toxic stays.
    pub(super) fn is_void(&self) -> bool {
        self.given && self.chain.is_void()
    }

    /// Has the toxics start and heal by their triggers, and the task woken when the next one turns.
    pub(super) fn turn(&mut self, cx: &Context<'_>) {
        let next = self.chain.turn(Instant::now());
        self.alarm.set(next, cx.waker());
    }

    /// The source took no more bytes, so its peer is gone: what it sent before is still read and passed on, then the
    /// connection is reset.
    pub(super) fn break_off<R: Wire>(&mut self, from: &R) {
        self.broken = true;
        if !from.is_plain() {
            // A layer above the socket may wait for more for ever.
            self.ending.get_or_insert(Item::Cut(Cut::Reset));
        }
    }

    /// Moves what can be moved.
    pub(super) fn poll<R: Wire, W: Wire>(
        &mut self,
        cx: &mut Context<'_>,
        around: Around<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<Ended> {
        loop {
            let clear = match self.flush(cx, around, to) {
                Poll::Ready(Ok(false)) => true,
                Poll::Ready(Ok(true)) => return Poll::Ready(Ended::Passed),
                Poll::Ready(Err(_)) => return Poll::Ready(Ended::Broken),
                Poll::Pending => false,
            };
            if clear {
                match self.take(cx) {
                    Some(Item::Data(chunk)) => {
                        self.output = self.gathered(chunk.bytes);
                        continue;
                    }
                    Some(Item::End) => {
                        self.output = Output::End;
                        continue;
                    }
                    Some(Item::Cut(cut)) => {
                        self.record(around);
                        return Poll::Ready(Ended::Cut(cut));
                    }
                    None => {}
                }
            }
            if !clear && let Some(cut) = self.cut_past_the_write(cx) {
                self.record(around);
                return Poll::Ready(Ended::Cut(cut));
            }
            self.record(around);
            let wanted = if self.chain.is_empty() { clear } else { self.chain.wants_input() };
            if !wanted {
                return Poll::Pending;
            }
            if let Err(ended) = ready!(self.input(cx, around, from, to)) {
                return Poll::Ready(ended);
            }
        }
    }

    /// A toxic's cut that need not wait until the sink takes what is to be written: a reset, and any whose toxic is gone.
    fn cut_past_the_write(&mut self, cx: &Context<'_>) -> Option<Cut> {
        if self.behind.is_none() && !self.chain.is_empty() {
            match self.chain.next(Instant::now()) {
                Next::Item(item) => self.behind = Some(item),
                Next::Wait { until, .. } => self.alarm.set(until, cx.waker()),
            }
        }
        match self.behind {
            // A peer's own end comes after what it said.
            _ if matches!(self.ending, Some(Item::Cut(_))) => None,
            Some(Item::Cut(cut)) if cut == Cut::Reset || self.chain.cut_is_loose() => Some(cut),
            _ => None,
        }
    }

    /// A chunk as it is to be written: a large one with the large ones that leave with it. Small ones go alone, since it
    /// may be a toxic's point that they do.
    fn gathered(&mut self, first: Bytes) -> Output {
        if first.len() < SMALL || self.behind.is_some() || self.chain.is_empty() {
            return Output::Bytes(first);
        }
        let mut chunks = VecDeque::from([first]);
        let now = Instant::now();
        while chunks.len() < GATHERED
            && let Next::Item(item) = self.chain.next(now)
        {
            match item {
                Item::Data(chunk) if chunk.bytes.len() >= SMALL => chunks.push_back(chunk.bytes),
                item => {
                    self.behind = Some(item);
                    break;
                }
            }
        }
        Output::Chunks(chunks)
    }

    /// What leaves the chain now, or the source's end where there is no chain.
    fn take(&mut self, cx: &mut Context<'_>) -> Option<Item> {
        if self.behind.is_some() {
            return self.behind.take();
        }
        if self.chain.is_empty() {
            self.alarm.set(None, cx.waker());
            return self.ending.clone();
        }
        match self.chain.next(Instant::now()) {
            Next::Item(item) => Some(item),
            Next::Wait { until, .. } => {
                self.alarm.set(until, cx.waker());
                None
            }
        }
    }

    /// Gets more from the source, or tells the chain that there is no more. Ready when something came of it.
    fn input<R: Wire, W: Wire>(
        &mut self,
        cx: &mut Context<'_>,
        around: Around<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<Result<(), Ended>> {
        if let Some(ending) = &self.ending {
            if self.chain.is_empty() {
                // Its last toxic left just now: the end is taken without it.
                return Poll::Ready(Ok(()));
            }
            if self.given {
                return Poll::Pending;
            }
            self.given = true;
            self.chain.give(ending.clone(), Instant::now());
            return Poll::Ready(Ok(()));
        }
        let passes = self.chain.is_empty();
        if passes && self.bulk > 0 && from.is_plain() && to.is_plain() {
            return self.splice(cx, around, from).map(Ok);
        }
        if !passes {
            return self.chunk(cx, around, from).map(Ok);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(COPY, 0);
            let mut buffer = ReadBuf::new(scratch);
            let read = ready!(Pin::new(from).poll_read(cx, &mut buffer));
            let bytes = buffer.filled();
            if self.ended(read.map(|()| bytes.len()), around) {
                return Poll::Ready(Ok(()));
            }
            self.bulk = if bytes.len() == COPY { SMALL_MOVES } else { 0 };
            Poll::Ready(self.pass(cx, around, bytes, to).map_err(|_| Ended::Broken))
        })
    }

    /// Reads a chunk and gives it to the chain.
    fn chunk<R: Wire>(&mut self, cx: &mut Context<'_>, around: Around<'_>, from: &mut R) -> Poll<()> {
        let mut buffer = around.terms.shared.buffers.take();
        let mut room = ReadBuf::new(buffer.room());
        let read = ready!(Pin::new(from).poll_read(cx, &mut room));
        let filled = room.filled().len();
        if !self.ended(read.map(|()| filled), around) {
            let now = Instant::now();
            self.chain.give(Item::Data(Chunk { bytes: buffer.into_chunk(filled), arrived: now }), now);
        }
        Poll::Ready(())
    }

    /// Counts what was read; true when that was the source's end.
    fn ended(&mut self, read: io::Result<usize>, around: Around<'_>) -> bool {
        self.ending = match read {
            Ok(bytes @ 1..) => {
                around.open.received(self.direction, bytes);
                return false;
            }
            Ok(0) if !self.broken => Some(Item::End),
            // TLS that ends without a word was cut by a peer or on the way, and is not to look finished.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(Item::Cut(Cut::Close)),
            // A peer's RST goes on as one, after what was read before it.
            Err(_) if around.terms.shared.settings.whole_close => Some(Item::End),
            _ => Some(Item::Cut(Cut::Reset)),
        };
        true
    }

    /// Writes bytes that no toxic sees; keeps what the sink does not take.
    fn pass<W: Wire>(
        &mut self,
        cx: &mut Context<'_>,
        around: Around<'_>,
        mut bytes: &[u8],
        to: &mut W,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut *to).poll_write(cx, bytes) else {
                self.output = Output::Bytes(Bytes::copy_from_slice(bytes));
                return Ok(());
            };
            let written = wrote(written)?;
            around.open.sent(self.direction, written);
            bytes = bytes.get(written..).unwrap_or_default();
        }
        if !to.is_plain() {
            self.output = Output::Flush;
        }
        Ok(())
    }

    /// Has the kernel take what has arrived; it is the output then.
    fn splice<R: Wire>(&mut self, cx: &mut Context<'_>, around: Around<'_>, from: &R) -> Poll<()> {
        let socket = from.socket();
        if ready!(socket.poll_read_ready(cx)).is_err() {
            self.bulk = 0;
            return Poll::Ready(());
        }
        let pipes = &around.terms.shared.pipes;
        let Ok(mut pipe) = pipes.take() else {
            self.bulk = 0;
            return Poll::Ready(());
        };
        match pipe.fill(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(moved) if moved >= SMALL => self.bulk = SMALL_MOVES,
            // Errors and the end are found again by reading.
            Err(_) | Ok(0) => self.bulk = 0,
            Ok(_) => self.bulk -= 1,
        }
        if pipe.is_empty() {
            pipes.give_back(pipe);
        } else {
            around.open.received(self.direction, pipe.holds());
            self.output = Output::Pipe(pipe);
        }
        Poll::Ready(())
    }

    /// Writes what is to be written. Ready with whether that was the end.
    fn flush<W: Wire>(
        &mut self,
        cx: &mut Context<'_>,
        around: Around<'_>,
        to: &mut W,
    ) -> Poll<io::Result<bool>> {
        loop {
            match &mut self.output {
                Output::Nothing => return Poll::Ready(Ok(false)),
                Output::Bytes(bytes) => {
                    while bytes.has_remaining() {
                        let written = wrote(ready!(Pin::new(&mut *to).poll_write(cx, bytes)))?;
                        around.open.sent(self.direction, written);
                        bytes.advance(written);
                    }
                    self.output = if to.is_plain() { Output::Nothing } else { Output::Flush };
                }
                Output::Chunks(chunks) => {
                    while !chunks.is_empty() {
                        let mut slices = [IoSlice::new(&[]); GATHERED];
                        for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
                            *slice = IoSlice::new(chunk);
                        }
                        let written = wrote(ready!(Pin::new(&mut *to).poll_write_vectored(cx, &slices)))?;
                        around.open.sent(self.direction, written);
                        advance(chunks, written);
                    }
                    self.output = if to.is_plain() { Output::Nothing } else { Output::Flush };
                }
                Output::Pipe(pipe) => {
                    while !pipe.is_empty() {
                        ready!(to.socket().poll_write_ready(cx))?;
                        match pipe.empty(to.socket()) {
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                            written => around.open.sent(self.direction, wrote(written)?),
                        }
                    }
                    if let Output::Pipe(pipe) = std::mem::replace(&mut self.output, Output::Nothing) {
                        around.terms.shared.pipes.give_back(pipe);
                    }
                }
                Output::Flush => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.output = Output::Nothing;
                }
                Output::End => {
                    // A peer that is gone already needs no end.
                    let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    return Poll::Ready(Ok(true));
                }
            }
        }
    }

    /// Tells what has not been told yet of what the toxics did.
    pub(super) fn finish(&mut self, around: Around<'_>) {
        self.chain.finish();
        self.record(around);
    }

    /// Puts what the toxics did onto the tape.
    fn record(&mut self, around: Around<'_>) {
        for mark in self.chain.marks() {
            around.terms.record(around.open.ordinal, self.direction, mark);
        }
    }
}

/// Lets go of what was written.
fn advance(chunks: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = chunks.front_mut() {
        if written < first.len() {
            first.advance(written);
            return;
        }
        written -= first.len();
        chunks.pop_front();
    }
}

fn wrote(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        written => written,
    }
}
