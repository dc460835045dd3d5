//! The connection by which a home has bridges at an edge, once both have agreed on it: messages in and out until it ends, the
//! same at both ends.

use std::time::Duration;

use ::media::link::{FrameReader, frame};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Runs it; the answer says why it ended. `alive`: what is said every few seconds; `heard` takes each message in turn.
pub(crate) async fn run<I: DeserializeOwned, O: Serialize, F: Future<Output = ()>>(
    stream: impl AsyncRead + AsyncWrite,
    outgoing: mpsc::Receiver<O>,
    alive: impl Fn() -> O,
    heard: impl FnMut(I) -> F,
) -> String {
    let (reading, writing) = tokio::io::split(stream);
    tokio::select! {
        why = read(reading, heard, SILENT_TIME) => why,
        why = write(writing, (outgoing, alive), SILENT_TIME) => why,
    }
}

async fn read<S: AsyncRead, I: DeserializeOwned, F: Future<Output = ()>>(
    mut stream: ReadHalf<S>,
    mut heard: impl FnMut(I) -> F,
    silent_time: Duration,
) -> String {
    let mut reader = FrameReader::default();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = match timeout(silent_time, stream.read(&mut bytes)).await {
            Ok(Ok(0)) => return "the other side has closed it".to_owned(),
            Ok(Ok(count)) => count,
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("nothing was heard for {} s", silent_time.as_secs_f32()),
        };
        reader.feed(&bytes[..count]);
        loop {
            match reader.cut() {
                Ok(Some(message)) => heard(message).await,
                Ok(None) => break,
                Err(error) => return error.to_string(),
            }
        }
    }
}

async fn write<S: AsyncWrite, O: Serialize>(
    mut stream: WriteHalf<S>,
    (mut outgoing, alive): (mpsc::Receiver<O>, impl Fn() -> O),
    silent_time: Duration,
) -> String {
    let mut pulse = interval(ALIVE_PAUSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut messages = Vec::new();
    loop {
        tokio::select! {
            count = outgoing.recv_many(&mut messages, MESSAGES_PER_TURN_MAX) => {
                if count == 0 {
                    return "it is not wanted any more, or more was to be said than the other side took".to_owned();
                }
            }
            _ = pulse.tick() => messages.push(alive()),
        }
        let bytes: Vec<u8> = messages.drain(..).flat_map(|message| frame(&message)).collect();
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        match timeout(silent_time, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("nothing could be said for {} s", silent_time.as_secs_f32()),
        }
    }
}

/// Messages that may wait for the other side to take them; with more the connection ends.
pub(crate) const QUEUE_MAX: usize = 4096;
const ALIVE_PAUSE: Duration = Duration::from_secs(2);
/// A connection on which nothing comes, or nothing is taken, is given up, and with it what it was for.
pub(crate) const SILENT_TIME: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 16 << 10;
const MESSAGES_PER_TURN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use ::media::link::{FromEdge, FromHome};

    use super::*;

    #[tokio::test]
    async fn a_side_that_falls_silent_or_takes_nothing_is_given_up() {
        let silent_time = Duration::from_millis(500);
        let (ours, _theirs) = tokio::io::duplex(1 << 20);
        let (reading, _writing) = tokio::io::split(ours);
        let why = read(reading, |_: FromEdge| std::future::ready(()), silent_time).await;
        assert_eq!(why, "nothing was heard for 0.5 s");
        let (ours, _theirs) = tokio::io::duplex(8);
        let (_reading, writing) = tokio::io::split(ours);
        let (_say, outgoing) = mpsc::channel(1);
        let why = write(writing, (outgoing, || FromHome::Alive), silent_time).await;
        assert_eq!(why, "nothing could be said for 0.5 s");
    }

    #[tokio::test]
    async fn what_is_no_message_ends_it() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (_say, outgoing) = mpsc::channel(1);
        theirs.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let why = run(ours, outgoing, || FromHome::Alive, |_: FromEdge| std::future::ready(())).await;
        assert_eq!(why, "a message of 1195725856 bytes, where 16384 are the most");
    }

    #[tokio::test]
    async fn both_hear_what_the_other_says() {
        let (home, edge) = tokio::io::duplex(64);
        let (say, outgoing) = mpsc::channel(1);
        let (_edge_say, edge_outgoing) = mpsc::channel::<FromEdge>(1);
        let (told, mut hears) = mpsc::channel(8);
        say.send(FromHome::Alive).await.unwrap();
        let at_edge = run(
            edge,
            edge_outgoing,
            || FromEdge::Alive { is_draining: true },
            |message: FromHome| {
                let told = told.clone();
                async move { told.send(message).await.unwrap() }
            },
        );
        let (tell, mut heard) = mpsc::channel(8);
        let at_home = run(
            home,
            outgoing,
            || FromHome::Alive,
            |message: FromEdge| {
                let tell = tell.clone();
                async move { tell.send(message).await.unwrap() }
            },
        );
        tokio::select! {
            why = at_edge => panic!("{why}"),
            why = at_home => panic!("{why}"),
            both = async { (hears.recv().await, hears.recv().await, heard.recv().await) } => {
                let alive = || Some(FromHome::Alive);
                assert_eq!(both, (alive(), alive(), Some(FromEdge::Alive { is_draining: true })));
            }
        }
    }
}
