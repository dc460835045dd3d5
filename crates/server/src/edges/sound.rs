//! A home whose bridges are at its edges: what workers want of media threads goes to the edge at which the bridge is, over a
//! connection that the home keeps to each.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::media::link::{FromEdge, FromHome, Gone, HomeBridges, PROTOCOL};
use ::media::{LegId, LegReport, MediaCommand, MediaEvent, OpenedLeg};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use net::Reply;
use net::media::{MediaCounters, MediaInbox, MediaRequest};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::line::{Line, LineError, Way};
use super::task::backoff;
use super::{EdgeSoundNote, Edges};
use crate::sound_link::{self, QUEUE_MAX};

/// What the workers want, and whom its events go to.
pub(crate) struct FarSound {
    pub(crate) inbox: MediaInbox,
    pub(crate) deliver: Arc<dyn Fn(MediaEvent) + Send + Sync>,
}

/// The tasks at work; they end when this is dropped.
#[derive(Default)]
pub(crate) struct SoundTasks(Vec<AbortHandle>);

impl SoundTasks {
    pub(crate) fn start(sound: FarSound, way: &Way, edges: &Edges) -> SoundTasks {
        let names = edges.names();
        let (tell, told) = mpsc::channel(QUEUE_MAX);
        let router = Router::new(names.clone(), edges.clone(), sound.deliver);
        let links = names.into_iter().enumerate().map(|(number, edge)| {
            let link = Link { edge, number, way: way.clone(), edges: edges.clone(), tell: tell.clone() };
            tokio::spawn(link.run()).abort_handle()
        });
        let mut tasks: Vec<AbortHandle> = links.collect();
        tasks.push(tokio::spawn(router.run(sound.inbox, told)).abort_handle());
        SoundTasks(tasks)
    }
}

impl Drop for SoundTasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// What is known of the connection to an edge, by its number.
enum Told {
    Up { edge: usize, say: mpsc::Sender<FromHome> },
    Heard { edge: usize, message: FromEdge },
    Down { edge: usize },
}

/// One connection, made again whenever it ends.
struct Link {
    edge: String,
    number: usize,
    way: Way,
    edges: Edges,
    tell: mpsc::Sender<Told>,
}

impl Link {
    async fn run(self) {
        let mut failures: u32 = 0;
        loop {
            let why = match self.connect().await {
                Ok(stream) => {
                    failures = 0;
                    self.serve(stream).await
                }
                Err(error) => error.to_string(),
            };
            self.edges.note_sound(&self.edge, EdgeSoundNote::Down(why));
            failures = failures.saturating_add(1);
            tokio::time::sleep(backoff(failures, rand::random())).await;
        }
    }

    async fn connect(&self) -> Result<TokioIo<Upgraded>, LineError> {
        Line::open(&self.way, &self.edge).await?.upgrade(SOUND_PATH, PROTOCOL).await
    }

    /// Until it ends; the answer says why.
    async fn serve(&self, stream: TokioIo<Upgraded>) -> String {
        let (edge, (say, outgoing)) = (self.number, mpsc::channel(QUEUE_MAX));
        let _ = self.tell.send(Told::Up { edge, say }).await;
        let heard = |message| {
            let tell = self.tell.clone();
            async move { drop(tell.send(Told::Heard { edge, message }).await) }
        };
        let why = sound_link::run(stream, outgoing, || FromHome::Alive, heard).await;
        let _ = self.tell.send(Told::Down { edge }).await;
        why
    }
}

/// Takes what workers want in turn, and what edges say.
struct Router {
    names: Vec<String>,
    edges: Edges,
    bridges: HomeBridges,
    says_by_edge: Vec<Option<mpsc::Sender<FromHome>>>,
    /// Who waits for the ports of a leg.
    waiting_by_leg: BTreeMap<LegId, Reply<Result<OpenedLeg, String>>>,
    deliver: Arc<dyn Fn(MediaEvent) + Send + Sync>,
    counters: MediaCounters,
}

impl Router {
    fn new(names: Vec<String>, edges: Edges, deliver: Arc<dyn Fn(MediaEvent) + Send + Sync>) -> Router {
        Router {
            bridges: HomeBridges::new(names.len()),
            says_by_edge: vec![None; names.len()],
            names,
            edges,
            waiting_by_leg: BTreeMap::new(),
            deliver,
            counters: MediaCounters::default(),
        }
    }

    async fn run(mut self, mut inbox: MediaInbox, mut told: mpsc::Receiver<Told>) {
        loop {
            tokio::select! {
                request = inbox.next() => match request {
                    Some(MediaRequest::OpenLeg { leg, reply }) => self.open(leg, reply),
                    Some(MediaRequest::Command(command)) => self.command(command),
                    Some(MediaRequest::Counters(reply)) => reply(self.counters()),
                    Some(MediaRequest::Stop) | None => return,
                },
                Some(told) = told.recv() => self.hear(told),
            }
        }
    }

    fn open(&mut self, leg: LegId, reply: Reply<Result<OpenedLeg, String>>) {
        match self.bridges.place(leg) {
            Ok(edge) => {
                self.waiting_by_leg.insert(leg, reply);
                self.say(edge, FromHome::Open { leg });
            }
            Err(why) => {
                self.counters.legs_refused += 1;
                reply(Err(why));
            }
        }
    }

    fn command(&mut self, command: MediaCommand) {
        let edge = match &command {
            MediaCommand::Close { leg } => match self.bridges.close(*leg) {
                Some(edge) => Some(edge),
                None => return self.deliver_closed(*leg),
            },
            other => self.bridges.edge_of(other.bridge()),
        };
        if let Some(edge) = edge {
            self.say(edge, FromHome::Command(command));
        }
    }

    /// An edge that does not take what it is told is given up: its connection ends with the sender.
    fn say(&mut self, edge: usize, message: FromHome) {
        if let Some(say) = self.says_by_edge.get_mut(edge)
            && say.as_ref().is_some_and(|say| say.try_send(message).is_err())
        {
            *say = None;
        }
    }

    fn hear(&mut self, told: Told) {
        let edge = match told {
            Told::Up { edge, say } => {
                if let Some(before) = self.says_by_edge.get_mut(edge) {
                    *before = Some(say);
                }
                edge
            }
            Told::Heard { edge, message } => {
                self.hear_edge(edge, message);
                edge
            }
            Told::Down { edge } => {
                if let Some(say) = self.says_by_edge.get_mut(edge) {
                    *say = None;
                }
                for gone in self.bridges.edge_is_gone(edge) {
                    self.gone(gone, None);
                }
                edge
            }
        };
        if let Some(name) = self.names.get(edge) {
            self.edges.note_sound(name, EdgeSoundNote::Stands(self.bridges.edge(edge)));
        }
    }

    fn hear_edge(&mut self, edge: usize, message: FromEdge) {
        match message {
            FromEdge::Alive { is_draining } => self.bridges.edge_is_alive(edge, is_draining),
            FromEdge::Opened { leg, opened } => self.opened(edge, leg, opened),
            FromEdge::Event(MediaEvent::Closed { leg, report }) => {
                if let Some(gone) = self.bridges.closed(edge, leg) {
                    self.gone(gone, Some(report));
                }
            }
            // What is lost, is found out here.
            FromEdge::Event(MediaEvent::Lost { .. }) => {}
            FromEdge::Event(event) => {
                if self.bridges.has(edge, event.leg()) {
                    (self.deliver)(event);
                }
            }
        }
    }

    fn opened(&mut self, edge: usize, leg: LegId, opened: Result<OpenedLeg, String>) {
        if !self.bridges.has(edge, leg) {
            return;
        }
        let reply = self.waiting_by_leg.remove(&leg);
        match &opened {
            Ok(_) => self.counters.legs_opened += 1,
            Err(_) => {
                self.counters.legs_refused += 1;
                if let Some(Gone::Closed(leg)) = self.bridges.closed(edge, leg) {
                    self.deliver_closed(leg);
                }
            }
        }
        if let Some(reply) = reply {
            let name = self.names.get(edge).map(String::as_str).unwrap_or_default();
            reply(opened.map_err(|why| format!("{name} says: {why}")));
        }
    }

    fn gone(&mut self, gone: Gone, report: Option<LegReport>) {
        match gone {
            Gone::Closed(leg) => {
                self.waiting_by_leg.remove(&leg);
                (self.deliver)(MediaEvent::Closed { leg, report: report.unwrap_or_default() });
            }
            Gone::Lost(leg) => match self.waiting_by_leg.remove(&leg) {
                Some(reply) => {
                    self.counters.legs_refused += 1;
                    reply(Err("the edge that was asked for it has gone".to_owned()));
                }
                None => {
                    self.counters.legs_lost += 1;
                    (self.deliver)(MediaEvent::Lost { leg });
                }
            },
        }
    }

    fn deliver_closed(&self, leg: LegId) {
        (self.deliver)(MediaEvent::Closed { leg, report: LegReport::default() });
    }

    fn counters(&self) -> MediaCounters {
        let edges = || self.bridges.edges();
        MediaCounters {
            bridges: edges().map(|edge| edge.bridges).sum(),
            legs: edges().map(|edge| edge.legs).sum(),
            ..self.counters.clone()
        }
    }
}

/// At the control address of an edge.
pub(crate) const SOUND_PATH: &str = "/edge/sound";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    use ::media::BridgeId;

    use super::*;
    use crate::sound_link::SILENT_TIME;

    fn leg(bridge: u64, serial: u32) -> LegId {
        LegId { bridge: BridgeId { worker: 0, serial: bridge }, serial }
    }

    /// A router whose edges are channels.
    struct Home {
        router: Router,
        events: Arc<Mutex<Vec<MediaEvent>>>,
    }

    impl Home {
        fn new() -> Home {
            let events = Arc::new(Mutex::new(Vec::new()));
            let heard = events.clone();
            let deliver = Arc::new(move |event| heard.lock().unwrap().push(event));
            let edges = Edges::named(&["one.corp.example", "two.corp.example"]);
            Home { router: Router::new(edges.names(), edges, deliver), events }
        }

        fn connect(&mut self, edge: usize) -> mpsc::Receiver<FromHome> {
            let (say, outgoing) = mpsc::channel(QUEUE_MAX);
            self.router.hear(Told::Up { edge, say });
            self.heard(edge, FromEdge::Alive { is_draining: false });
            outgoing
        }

        fn heard(&mut self, edge: usize, message: FromEdge) {
            self.router.hear(Told::Heard { edge, message });
        }

        fn open(&mut self, leg: LegId) -> Receiver<Result<OpenedLeg, String>> {
            let (reply, answer) = channel();
            self.router.open(leg, Box::new(move |opened| drop(reply.send(opened))));
            answer
        }

        fn events(&self) -> Vec<MediaEvent> {
            std::mem::take(&mut self.events.lock().unwrap())
        }
    }

    fn opened(leg: LegId) -> FromEdge {
        let at = "192.0.2.1:20000".parse().unwrap();
        FromEdge::Opened {
            leg,
            opened: Ok(OpenedLeg {
                rtp: at,
                rtcp: at,
                other_address: None,
                keys: sdp::Keys::cut(&[7; sdp::Keys::BYTES]),
            }),
        }
    }

    fn closed(leg: LegId) -> MediaEvent {
        MediaEvent::Closed { leg, report: LegReport::default() }
    }

    #[tokio::test]
    async fn what_is_wanted_goes_to_the_edge_of_the_bridge_and_what_comes_of_it_comes_back() {
        let mut home = Home::new();
        let refused = home.open(leg(1, 1)).recv().unwrap().unwrap_err();
        assert_eq!(refused, "no edge that takes sound is connected");
        let (mut one, mut two) = (home.connect(0), home.connect(1));
        let answers = [home.open(leg(1, 1)), home.open(leg(2, 1))];
        assert_eq!(one.recv().await, Some(FromHome::Open { leg: leg(1, 1) }));
        assert_eq!(two.recv().await, Some(FromHome::Open { leg: leg(2, 1) }));
        home.heard(0, opened(leg(2, 1)));
        assert!(answers[1].try_recv().is_err(), "of an edge that was not asked");
        home.heard(0, opened(leg(1, 1)));
        assert!(answers[0].recv().unwrap().is_ok());
        let busy = Err("no free media port".to_owned());
        home.heard(1, FromEdge::Opened { leg: leg(2, 1), opened: busy });
        let why = answers[1].recv().unwrap().unwrap_err();
        assert_eq!(why, "two.corp.example says: no free media port");
        home.router.command(MediaCommand::Mute { leg: leg(1, 1), is_muted: true });
        assert!(matches!(one.recv().await, Some(FromHome::Command(MediaCommand::Mute { .. }))));
        home.heard(1, FromEdge::Event(MediaEvent::Heard { leg: leg(1, 1) }));
        assert_eq!(home.events(), [], "said by another edge");
        home.heard(0, FromEdge::Event(MediaEvent::Heard { leg: leg(1, 1) }));
        home.router.command(MediaCommand::Close { leg: leg(1, 1) });
        home.heard(0, FromEdge::Event(closed(leg(1, 1))));
        assert_eq!(home.events(), [MediaEvent::Heard { leg: leg(1, 1) }, closed(leg(1, 1))]);
        home.router.command(MediaCommand::Close { leg: leg(9, 9) });
        assert_eq!(home.events(), [closed(leg(9, 9))], "every closing is answered");
        let counters = home.router.counters();
        assert_eq!((counters.legs, counters.bridges, counters.legs_opened, counters.legs_refused), (0, 0, 1, 2));
    }

    #[tokio::test]
    async fn of_an_edge_that_goes_everybody_hears_what_is_lost() {
        let mut home = Home::new();
        let _one = home.connect(0);
        let answers = [1, 2, 3].map(|serial| home.open(leg(1, serial)));
        home.heard(0, opened(leg(1, 1)));
        home.heard(0, opened(leg(1, 2)));
        home.router.command(MediaCommand::Close { leg: leg(1, 2) });
        home.router.hear(Told::Down { edge: 0 });
        assert_eq!(home.events(), [MediaEvent::Lost { leg: leg(1, 1) }, closed(leg(1, 2))]);
        assert_eq!(answers[2].recv().unwrap(), Err("the edge that was asked for it has gone".to_owned()));
        assert_eq!((home.router.counters().legs, home.router.counters().legs_lost), (0, 1));
        let _two = home.connect(1);
        home.open(leg(1, 1));
        assert_eq!(home.router.bridges.edge_of(leg(1, 1).bridge), Some(1));
    }

    #[tokio::test]
    async fn an_edge_that_takes_nothing_of_what_it_is_told_is_given_up() {
        let mut home = Home::new();
        let mut one = home.connect(0);
        for serial in 0..=u32::try_from(QUEUE_MAX).unwrap() {
            home.open(leg(1, serial));
        }
        for _ in 0..QUEUE_MAX {
            assert!(one.recv().await.is_some());
        }
        let end = tokio::time::timeout(SILENT_TIME, one.recv()).await;
        assert_eq!(end, Ok(None), "its connection ends");
    }
}
