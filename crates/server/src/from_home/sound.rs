//! An edge at which its home has bridges: each connection of the home has legs here, and they go with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::media::link::{EdgeLegs, FromEdge, FromHome, SessionId};
use ::media::{LegId, LegReport, MediaCommand, MediaEvent};
use net::media::MediaThreads;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::control::answers::HomeSoundAnswer;
use crate::sound_link::{self, QUEUE_MAX};

/// The bridges that a home has at this edge. Clones are the same.
#[derive(Clone)]
pub(crate) struct HomeSound {
    media: MediaThreads,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    legs: EdgeLegs,
    homes: BTreeMap<SessionId, Home>,
}

struct Home {
    name: String,
    /// The connection ends once this is gone.
    say: mpsc::Sender<FromEdge>,
}

/// Ends what a connection has here, however it ends.
struct Session {
    sound: HomeSound,
    id: SessionId,
}

impl HomeSound {
    pub(crate) fn new(media: MediaThreads) -> HomeSound {
        HomeSound { media, shared: Arc::default() }
    }

    /// For the media threads: each event to the home that has the bridge.
    pub(crate) fn deliver(&self) -> Arc<dyn Fn(MediaEvent) + Send + Sync> {
        let sound = self.clone();
        Arc::new(move |event| {
            let mut shared = sound.lock();
            if let Some((session, event)) = shared.legs.event(event) {
                shared.say(session, FromEdge::Event(event));
            }
        })
    }

    /// Serves a connection of this home, until it ends. One that it had before is over.
    pub(super) async fn serve(&self, home: &str, stream: impl AsyncRead + AsyncWrite, is_draining: impl Fn() -> bool) {
        let (session, outgoing) = self.begin(home);
        tracing::info!(home, "the home has its sound here");
        let alive = || FromEdge::Alive { is_draining: is_draining() };
        let heard = |message| {
            session.hear(message);
            std::future::ready(())
        };
        let why = sound_link::run(stream, outgoing, alive, heard).await;
        tracing::warn!(home, why, "the home has its sound here no more");
    }

    fn begin(&self, home: &str) -> (Session, mpsc::Receiver<FromEdge>) {
        let (say, outgoing) = mpsc::channel(QUEUE_MAX);
        let mut shared = self.lock();
        shared.homes.retain(|_, before| before.name != home);
        let id = shared.legs.begin();
        shared.homes.insert(id, Home { name: home.to_owned(), say });
        (Session { sound: self.clone(), id }, outgoing)
    }

    pub(crate) fn answer(&self) -> HomeSoundAnswer {
        let shared = self.lock();
        HomeSoundAnswer {
            homes: shared.homes.values().map(|home| home.name.clone()).collect(),
            bridges: shared.legs.bridges(),
            legs: shared.legs.legs(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// A home that does not take what it is told is not waited for.
    fn say(&mut self, session: SessionId, message: FromEdge) {
        if self.homes.get(&session).is_some_and(|home| home.say.try_send(message).is_err()) {
            self.homes.remove(&session);
        }
    }
}

impl Session {
    fn hear(&self, message: FromHome) {
        match message {
            FromHome::Open { leg } => self.open(leg),
            FromHome::Command(command) => self.command(command),
            FromHome::Alive => {}
        }
    }

    fn open(&self, leg: LegId) {
        let Some(ours) = self.sound.lock().legs.open(self.id, leg) else { return };
        let (sound, session) = (self.sound.clone(), self.id);
        let reply = move |opened: Result<_, String>| {
            let mut shared = sound.lock();
            if opened.is_err() {
                shared.legs.forget(ours);
            }
            shared.say(session, FromEdge::Opened { leg, opened });
        };
        self.sound.media.open_leg(ours, Box::new(reply));
    }

    fn command(&self, command: MediaCommand) {
        let mut shared = self.sound.lock();
        match (shared.legs.command(self.id, command.clone()), command) {
            (Some(command), _) => self.sound.media.command(command),
            // Every closing is answered.
            (None, MediaCommand::Close { leg }) => {
                let closed = MediaEvent::Closed { leg, report: LegReport::default() };
                shared.say(self.id, FromEdge::Event(closed));
            }
            (None, _) => {}
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut shared = self.sound.lock();
        shared.homes.remove(&self.id);
        for command in shared.legs.end(self.id) {
            self.sound.media.command(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use ::media::BridgeId;
    use ::media::link::{FrameReader, frame};
    use net::media::{MediaInbox, MediaRequest, media_threads};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    fn leg(serial: u32) -> LegId {
        LegId { bridge: BridgeId { worker: 5, serial: 40 }, serial }
    }

    fn opened() -> ::media::OpenedLeg {
        let at = "192.0.2.1:20000".parse().unwrap();
        ::media::OpenedLeg { rtp: at, rtcp: at, other_address: None, keys: sdp::Keys::cut(&[7; sdp::Keys::BYTES]) }
    }

    /// A home at the other end.
    struct Far {
        stream: DuplexStream,
        reader: FrameReader,
    }

    impl Far {
        fn connect(sound: &HomeSound) -> Far {
            let (stream, theirs) = tokio::io::duplex(1 << 16);
            let sound = sound.clone();
            tokio::spawn(async move { sound.serve("home.corp.example", theirs, || false).await });
            Far { stream, reader: FrameReader::default() }
        }

        async fn say(&mut self, message: FromHome) {
            self.stream.write_all(&frame(&message)).await.unwrap();
        }

        /// The next that is said and not only a sign of life; `None`: it has ended.
        async fn hear(&mut self) -> Option<FromEdge> {
            loop {
                match self.reader.cut().unwrap() {
                    Some(FromEdge::Alive { .. }) => {}
                    Some(message) => return Some(message),
                    None => {
                        let mut bytes = [0; 1024];
                        let count = self.stream.read(&mut bytes).await.unwrap();
                        self.reader.feed(&bytes[..count]);
                        if count == 0 {
                            return None;
                        }
                    }
                }
            }
        }
    }

    async fn asked_to_open(inbox: &mut MediaInbox, answer: Result<::media::OpenedLeg, String>) -> LegId {
        match inbox.next().await {
            Some(MediaRequest::OpenLeg { leg, reply }) => {
                reply(answer);
                leg
            }
            _ => panic!("something else is asked"),
        }
    }

    async fn commanded(inbox: &mut MediaInbox) -> MediaCommand {
        match inbox.next().await {
            Some(MediaRequest::Command(command)) => command,
            _ => panic!("something else is asked"),
        }
    }

    #[tokio::test]
    async fn a_home_opens_commands_and_hears_and_its_legs_end_with_its_connection() {
        let (threads, mut inboxes) = media_threads(1);
        let (sound, mut inbox) = (HomeSound::new(threads), inboxes.remove(0));
        let mut home = Far::connect(&sound);
        home.say(FromHome::Open { leg: leg(1) }).await;
        let ours = asked_to_open(&mut inbox, Ok(opened())).await;
        assert_eq!(home.hear().await, Some(FromEdge::Opened { leg: leg(1), opened: Ok(opened()) }));
        home.say(FromHome::Open { leg: leg(2) }).await;
        asked_to_open(&mut inbox, Err("no free media port".to_owned())).await;
        let refused = Err("no free media port".to_owned());
        assert_eq!(home.hear().await, Some(FromEdge::Opened { leg: leg(2), opened: refused }));
        home.say(FromHome::Command(MediaCommand::Mute { leg: leg(1), is_muted: true })).await;
        assert_eq!(commanded(&mut inbox).await, MediaCommand::Mute { leg: ours, is_muted: true });
        sound.deliver()(MediaEvent::Heard { leg: ours });
        assert_eq!(home.hear().await, Some(FromEdge::Event(MediaEvent::Heard { leg: leg(1) })));
        home.say(FromHome::Command(MediaCommand::Close { leg: leg(2) })).await;
        let closed = MediaEvent::Closed { leg: leg(2), report: LegReport::default() };
        assert_eq!(home.hear().await, Some(FromEdge::Event(closed)), "of a leg that never was");
        assert_eq!((sound.answer().bridges, sound.answer().legs), (1, 1));
        drop(home);
        assert_eq!(commanded(&mut inbox).await, MediaCommand::Close { leg: ours });
        let answer = sound.answer();
        assert_eq!((answer.homes.len(), answer.bridges, answer.legs), (0, 0, 0));
    }

    #[tokio::test]
    async fn a_home_that_comes_again_has_nothing_left_of_before() {
        let (threads, mut inboxes) = media_threads(1);
        let (sound, mut inbox) = (HomeSound::new(threads), inboxes.remove(0));
        let mut before = Far::connect(&sound);
        before.say(FromHome::Open { leg: leg(1) }).await;
        let old = asked_to_open(&mut inbox, Ok(opened())).await;
        assert!(before.hear().await.is_some());
        let mut after = Far::connect(&sound);
        assert_eq!(commanded(&mut inbox).await, MediaCommand::Close { leg: old });
        assert_eq!(before.hear().await, None);
        after.say(FromHome::Open { leg: leg(1) }).await;
        assert_ne!(asked_to_open(&mut inbox, Ok(opened())).await, old);
    }

    #[tokio::test]
    async fn a_home_that_takes_nothing_of_what_it_is_told_is_given_up() {
        let (threads, _inboxes) = media_threads(1);
        let sound = HomeSound::new(threads);
        let (session, mut outgoing) = sound.begin("home.corp.example");
        let ours = sound.lock().legs.open(session.id, leg(1)).unwrap();
        for _ in 0..QUEUE_MAX {
            sound.deliver()(MediaEvent::Heard { leg: ours });
        }
        assert_eq!(sound.answer().homes, ["home.corp.example"]);
        sound.deliver()(MediaEvent::Heard { leg: ours });
        assert!(sound.answer().homes.is_empty());
        for _ in 0..QUEUE_MAX {
            assert!(outgoing.recv().await.is_some());
        }
        assert_eq!(outgoing.recv().await, None, "its connection ends");
    }
}
