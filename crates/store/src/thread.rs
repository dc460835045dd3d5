//! The store behind threads, so that nobody who serves messages waits for a disk.
//!
//! One thread writes: it takes whatever waits in its queue into one transaction (group commit), so that a burst of
//! changes costs one flush of the disk. Each change runs in its own savepoint: one that fails takes no other with it. A
//! reply is given only after the commit. The other thread reads what is committed and never waits for the first (WAL).

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use sip::Aor;
use sip::auth::UserHa1;
use tokio::sync::oneshot;

use crate::health::{Health, PROBE_PAUSE};
use crate::known_credentials::KnownCredentials;
use crate::{Store, StoreError, Unwritable};

/// The two threads of an open store.
#[derive(Debug)]
pub struct StoreThread {
    handle: StoreHandle,
    threads: Vec<JoinHandle<()>>,
}

impl StoreThread {
    /// Opens the database and starts its threads.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn start(path: &Path) -> Result<StoreThread, StoreError> {
        let (writing, reading) = (Store::open(path)?, Store::open(path)?);
        let (writes, writes_inbox) = sync_channel(QUEUE_MAX);
        let (reads, reads_inbox) = sync_channel(QUEUE_MAX);
        let health = Health::default();
        let noted = health.clone();
        let credentials = KnownCredentials::default();
        let told = credentials.clone();
        let threads = vec![
            spawn(path, "store-write", move || write_jobs(&writing, &writes_inbox, (&noted, &told)))?,
            spawn(path, "store-read", move || read_jobs(&reading, &reads_inbox))?,
        ];
        Ok(StoreThread { handle: StoreHandle { writes, reads, health, credentials }, threads })
    }

    pub fn handle(&self) -> StoreHandle {
        self.handle.clone()
    }

    /// Lets what waits in the queues finish, then ends the threads and closes the database.
    pub fn stop(self) {
        // A full queue is being emptied by its thread, so that blocking here ends.
        let _ = self.handle.writes.send(Message::Stop);
        let _ = self.handle.reads.send(Message::Stop);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

/// Reaches the store's threads from anywhere. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    writes: SyncSender<Message>,
    reads: SyncSender<Message>,
    health: Health,
    credentials: KnownCredentials,
}

impl StoreHandle {
    /// Runs a change and gives `reply` its result once that is on disk. Never blocks.
    ///
    /// `reply` runs on the store's thread, or at once with [`StoreError::Overloaded`] or [`StoreError::Closed`]: keep it
    /// short.
    pub fn write_then<T, C, R>(&self, change: C, reply: R)
    where
        T: Send + 'static,
        C: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
        R: FnOnce(Result<T, StoreError>) + Send + 'static,
    {
        submit(&self.writes, change, reply);
    }

    /// Runs a question on what is committed. Otherwise as [`StoreHandle::write_then`].
    pub fn read_then<T, C, R>(&self, question: C, reply: R)
    where
        T: Send + 'static,
        C: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
        R: FnOnce(Result<T, StoreError>) + Send + 'static,
    {
        submit(&self.reads, question, reply);
    }

    /// What digest authentication of this user compares with: at once where that was read lately, else as
    /// [`StoreHandle::read_then`]. `None`: there is no such user.
    pub fn ha1_then<R>(&self, aor: Aor, reply: R)
    where
        R: FnOnce(Result<Option<UserHa1>, StoreError>) + Send + 'static,
    {
        let now = Instant::now();
        if let Some(ha1) = self.credentials.get(&aor, now) {
            return reply(Ok(Some(ha1)));
        }
        let credentials = self.credentials.clone();
        let question = move |store: &Store| {
            let revision = credentials.revision();
            let found = store.ha1(&aor)?;
            if let Some(ha1) = &found {
                credentials.keep(aor, ha1.clone(), revision, now);
            }
            Ok(found)
        };
        self.read_then(question, reply);
    }

    /// Why the database cannot be written to; `None` while it can, as far as was tried.
    pub fn unwritable(&self) -> Option<Unwritable> {
        self.health.get()
    }

    /// Runs a change and waits until it is on disk.
    pub async fn write<T, C>(&self, change: C) -> Result<T, StoreError>
    where
        T: Send + 'static,
        C: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.write_then(change, move |result| drop(reply.send(result)));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Makes a change that means nothing, to see whether one can be made.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.write(|store| Ok(store.probe()?)).await
    }

    /// Runs a question on what is committed and waits for its answer.
    pub async fn read<T, C>(&self, question: C) -> Result<T, StoreError>
    where
        T: Send + 'static,
        C: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.read_then(question, move |result| drop(reply.send(result)));
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

enum Message {
    Job(Box<dyn Job>),
    Stop,
}

/// A closure, and later its result, waiting for the commit.
trait Job: Send {
    /// Runs the closure and keeps its result. Says whether it succeeded.
    fn run(&mut self, store: &Store) -> bool;
    /// Gives the result, or the failure of what should have made it durable.
    fn reply(self: Box<Self>, durable: Result<(), StoreError>);
}

struct Pending<T, C, R> {
    closure: Option<C>,
    result: Option<Result<T, StoreError>>,
    reply: R,
}

impl<T, C, R> Job for Pending<T, C, R>
where
    T: Send,
    C: FnOnce(&Store) -> Result<T, StoreError> + Send,
    R: FnOnce(Result<T, StoreError>) + Send,
{
    fn run(&mut self, store: &Store) -> bool {
        let Some(closure) = self.closure.take() else {
            return false;
        };
        let result = closure(store);
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn reply(self: Box<Self>, durable: Result<(), StoreError>) {
        let result = match (self.result, durable) {
            // What it was refused for is true with or without the others' commit.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        (self.reply)(result);
    }
}

fn submit<T, C, R>(queue: &SyncSender<Message>, closure: C, reply: R)
where
    T: Send + 'static,
    C: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    R: FnOnce(Result<T, StoreError>) + Send + 'static,
{
    let job = Box::new(Pending { closure: Some(closure), result: None, reply });
    let (error, message) = match queue.try_send(Message::Job(job)) {
        Ok(()) => return,
        Err(TrySendError::Full(message)) => (StoreError::Overloaded, message),
        Err(TrySendError::Disconnected(message)) => (StoreError::Closed, message),
    };
    if let Message::Job(job) = message {
        job.reply(Err(error));
    }
}

fn write_jobs(store: &Store, inbox: &Receiver<Message>, (health, credentials): (&Health, &KnownCredentials)) {
    while let Ok(Message::Job(first)) = next_job(store, inbox, health) {
        let mut batch = vec![first];
        let mut stop = false;
        while batch.len() < BATCH_MAX && !stop {
            match inbox.try_recv() {
                Ok(Message::Job(job)) => batch.push(job),
                Ok(Message::Stop) => stop = true,
                Err(_) => break,
            }
        }
        write_batch(store, batch, (health, credentials));
        if stop {
            return;
        }
    }
}

/// While nothing can be written, whether that is still so is tried now and then.
fn next_job(store: &Store, inbox: &Receiver<Message>, health: &Health) -> Result<Message, RecvTimeoutError> {
    while !health.is_well() {
        match inbox.recv_timeout(PROBE_PAUSE) {
            Err(RecvTimeoutError::Timeout) => health.note(&store.probe()),
            received => return received,
        }
    }
    inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
}

fn write_batch(store: &Store, mut batch: Vec<Box<dyn Job>>, (health, credentials): (&Health, &KnownCredentials)) {
    let outcome = commit(store, &mut batch);
    health.note(&outcome);
    if store.take_users_changed() {
        credentials.users_changed();
    }
    if outcome.is_err() {
        let _ = store.connection().execute_batch("ROLLBACK");
    }
    for job in batch {
        job.reply(match &outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(StoreError::Commit(error.to_string())),
        });
    }
}

fn commit(store: &Store, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let connection = store.connection();
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for job in batch {
        connection.execute_batch("SAVEPOINT change")?;
        if !job.run(store) {
            connection.execute_batch("ROLLBACK TO change")?;
        }
        connection.execute_batch("RELEASE change")?;
    }
    connection.execute_batch("COMMIT")
}

fn read_jobs(store: &Store, inbox: &Receiver<Message>) {
    while let Ok(Message::Job(mut job)) = inbox.recv() {
        job.run(store);
        job.reply(Ok(()));
    }
}

fn spawn(path: &Path, name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map_err(|source| StoreError::Unwritable { path: path.to_owned(), source })
}

/// How many closures may wait for each thread.
const QUEUE_MAX: usize = 4096;

/// How many changes one commit takes.
const BATCH_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use federation::partner::Partner;

    use super::*;

    fn entry(number: usize) -> Partner {
        Partner::allowed(format!("partner{number}.example"))
    }

    #[test]
    fn a_failed_change_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let thread = StoreThread::start(&path).unwrap();
        let handle = thread.handle();
        let (results, outcomes) = channel();

        // The first change holds the thread until all others wait, so that they share a commit.
        let (go, gate) = channel::<()>();
        handle.write_then(
            move |_| {
                let _ = gate.recv();
                Ok(())
            },
            |_| {},
        );
        for number in 0..10 {
            let results = results.clone();
            let change = move |store: &Store| {
                store.put_partner(&entry(number), 1)?;
                if number == 4 { Err(StoreError::Overloaded) } else { Ok(()) }
            };
            handle.write_then(change, move |result| results.send((number, result.is_ok())).unwrap());
        }
        go.send(()).unwrap();
        let outcomes: Vec<_> = (0..10).map(|_| outcomes.recv_timeout(Duration::from_secs(10)).unwrap()).collect();
        assert_eq!(outcomes, (0..10).map(|number| (number, number != 4)).collect::<Vec<_>>());
        thread.stop();

        let domains: Vec<_> =
            Store::open(&path).unwrap().partners().unwrap().into_iter().map(|found| found.partner.domain).collect();
        assert_eq!(domains.len(), 9);
        assert!(!domains.contains(&"partner4.example".to_owned()));
    }

    #[test]
    fn a_reply_comes_after_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let thread = StoreThread::start(&path).unwrap();
        let (done, wait) = channel();
        let other = Store::open(&path).unwrap();
        thread.handle().write_then(
            |store| store.put_partner(&entry(1), 1),
            move |result| {
                // Another connection sees only what is committed.
                done.send(result.is_ok() && other.partner("partner1.example").unwrap().is_some()).unwrap();
            },
        );
        assert!(wait.recv_timeout(Duration::from_secs(10)).unwrap());
        thread.stop();
    }

    #[test]
    fn stopping_finishes_what_waits_and_refuses_what_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comity.db");
        let thread = StoreThread::start(&path).unwrap();
        let handle = thread.handle();
        for number in 0..500 {
            handle.write_then(move |store| store.put_partner(&entry(number), 1), |_| {});
        }
        thread.stop();
        assert_eq!(Store::open(&path).unwrap().partners().unwrap().len(), 500);
        let (done, wait) = channel();
        handle.write_then(|_| Ok(()), move |result| done.send(result).unwrap());
        assert!(matches!(wait.recv().unwrap(), Err(StoreError::Closed)));
    }

    #[test]
    fn a_full_queue_answers_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let thread = StoreThread::start(&folder.path().join("comity.db")).unwrap();
        let handle = thread.handle();
        let (go, gate) = channel::<()>();
        handle.read_then(
            move |_| {
                let _ = gate.recv();
                Ok(())
            },
            |_| {},
        );
        let (done, wait) = channel();
        for _ in 0..QUEUE_MAX + 2 {
            let done = done.clone();
            handle.read_then(|_| Ok(()), move |result| done.send(result.is_err()).unwrap());
        }
        assert!(wait.recv_timeout(Duration::from_secs(10)).unwrap(), "the one beyond the queue was refused first");
        go.send(()).unwrap();
        thread.stop();
    }
}
