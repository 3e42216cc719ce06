//! How long the API waits for a client: 60 seconds for a request to begin, 15 for its head, 15 for its body, 25 for
//! its answer, 30 for it to take some of its answer. A body's time is measured where it is read. The figures are
//! Toxiproxy's.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// How long is waited for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For a request to begin.
    pub(crate) idle: Duration,
    /// For its head to arrive.
    pub(crate) head: Duration,
    /// For its body to arrive.
    pub(crate) body: Duration,
    /// For its answer to be found, the body's time included.
    pub(crate) handle: Duration,
    /// For the client to take anything of its answer.
    pub(crate) write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            idle: seconds(60),
            head: seconds(15),
            body: seconds(15),
            handle: seconds(25),
            write: seconds(30),
        }
    }
}

impl Limits {
    /// Where room is short, whoever says nothing makes way soon.
    pub(super) fn hurried(self) -> Self {
        let hurry = |limit: Duration| limit.min(HURRY);
        Self { idle: hurry(self.idle), head: hurry(self.head), body: self.body.min(BODY), ..self }
    }
}

/// For a request to begin and its head to arrive, where room is short.
const HURRY: Duration = Duration::from_millis(250);

/// For its body to arrive there, which may be large, and be what lifts a fault.
const BODY: Duration = Duration::from_secs(1);

/// What a connection waits for: shared by its socket and whoever answers its requests. It counts the waits, three to a
/// request, so that one is never given the time of an earlier one of its kind.
#[derive(Debug, Default)]
pub(super) struct Patience(AtomicU64);

/// How many kinds of waits there are.
const KINDS: u64 = 3;
/// For a request to begin.
const FOR_REQUEST: u64 = 0;
/// For the rest of a request's head.
const FOR_HEAD: u64 = 1;
/// For nothing: a request is being answered.
const FOR_NOTHING: u64 = 2;

impl Patience {
    /// The head of a request has been read.
    pub(super) fn begun(&self) {
        self.advance(FOR_NOTHING);
    }

    /// It has been answered, as far as the answer's head.
    pub(super) fn answered(&self) {
        self.advance(FOR_REQUEST);
    }

    /// Something was read.
    fn read(&self) {
        if self.wait() % KINDS == FOR_REQUEST {
            self.advance(FOR_HEAD);
        }
    }

    /// The number of the wait, which tells its kind.
    fn wait(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// To the next wait of a kind. One task does it all, so nothing comes between.
    fn advance(&self, kind: u64) {
        let now = self.wait();
        self.0.store(now + (KINDS + kind - now % KINDS) % KINDS, Ordering::Relaxed);
    }
}

/// A socket that fails once the client has been waited for too long.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    limits: Limits,
    patience: Arc<Patience>,
    /// Which wait is on, and its end.
    reading: Option<(u64, Pin<Box<Sleep>>)>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, limits: Limits, patience: Arc<Patience>) -> Self {
        Self { stream, limits, patience, reading: None, writing: None }
    }

    /// Fails once the wait for reading is over.
    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wait = self.patience.wait();
        let bound = match wait % KINDS {
            FOR_REQUEST => self.limits.idle,
            FOR_HEAD => self.limits.head,
            _ => {
                self.reading = None;
                return Poll::Pending;
            }
        };
        if self.reading.as_ref().is_none_or(|(begun, _)| *begun != wait) {
            self.reading = Some((wait, Box::pin(sleep_until(Instant::now() + bound))));
        }
        match &mut self.reading {
            Some((_, sleep)) => sleep.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
            None => Poll::Pending,
        }
    }

    /// The same of writing, which any progress begins anew.
    fn written<T>(&mut self, wrote: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.writing = None;
            // A client has no time to lose for its next request before it was sent the last of its answer.
            self.reading = None;
            return wrote;
        }
        let bound = self.limits.write;
        let sleep = self.writing.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + bound)));
        sleep.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.patience.read();
            return read;
        }
        self.poll_reading(context)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(wrote, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(wrote, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // The wait for the next request begins here: nobody reads again before there is something to read.
        match self.poll_reading(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const NEVER: Duration = Duration::from_secs(3600);
    /// Only a hang reaches it.
    const CAP: Duration = Duration::from_secs(20);

    async fn pair(limits: Limits) -> (TcpStream, Watched, Arc<Patience>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let patience = Arc::new(Patience::default());
        let watched = Watched::new(listener.accept().await.unwrap().0, limits, patience.clone());
        (client, watched, patience)
    }

    #[test]
    fn the_limits_are_toxiproxys() {
        let Limits { idle, head, body, handle, write } = Limits::default();
        assert_eq!([idle, head, body, handle, write].map(|limit| limit.as_secs()), [60, 15, 15, 25, 30]);
    }

    async fn cut_off(watched: &mut Watched) {
        let read = tokio::time::timeout(CAP, watched.read(&mut [0; 8])).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_sends_half_a_head_is_cut_off_but_not_while_it_is_answered() {
        let (mut client, mut watched, patience) =
            pair(Limits { idle: NEVER, head: SOON, write: NEVER, ..Limits::default() }).await;
        client.write_all(b"G").await.unwrap();
        assert_eq!(watched.read(&mut [0; 8]).await.unwrap(), 1);
        patience.begun();
        tokio::time::timeout(SOON * 5, watched.read(&mut [0; 8])).await.unwrap_err();
        patience.answered();
        client.write_all(b"G").await.unwrap();
        assert_eq!(watched.read(&mut [0; 8]).await.unwrap(), 1);
        cut_off(&mut watched).await;
    }

    /// Whether a read now says that the client was waited for too long.
    async fn gives_up(watched: &mut Watched) -> bool {
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read =
            |context: &mut Context<'_>| Poll::Ready(Pin::new(&mut *watched).poll_read(context, &mut buffer));
        matches!(std::future::poll_fn(read).await, Poll::Ready(Err(_)))
    }

    #[tokio::test]
    async fn a_later_request_is_not_given_the_time_of_an_earlier_one() {
        let (mut client, mut watched, patience) =
            pair(Limits { idle: NEVER, head: SOON, write: NEVER, ..Limits::default() }).await;
        for _ in 0..2 {
            client.write_all(b"G").await.unwrap();
            // As on a busy machine: the socket is looked at when there is something to read, and not before.
            watched.stream.readable().await.unwrap();
            assert_eq!(watched.read(&mut [0; 8]).await.unwrap(), 1);
            assert!(!gives_up(&mut watched).await);
            patience.begun();
            patience.answered();
            // Longer than a head may take, which this is not.
            tokio::time::timeout(SOON * 2, std::future::pending::<()>()).await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn a_client_that_asks_for_nothing_is_cut_off() {
        let (_client, mut watched, _) =
            pair(Limits { idle: SOON, head: NEVER, write: NEVER, ..Limits::default() }).await;
        cut_off(&mut watched).await;
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
        let (_client, mut watched, _) =
            pair(Limits { idle: NEVER, head: NEVER, write: SOON, ..Limits::default() }).await;
        let wrote = tokio::time::timeout(CAP, watched.write_all(&vec![0; 64 << 20])).await.unwrap();
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
