//! Outputs carried out as the shell does.

use bytes::{Bytes, BytesMut};
use media::{LegReport, MediaCommand, MediaEvent};
use signaling::{Input, Output, Question, QuestionId, WorkerId};
use sip::{FlowId, Frame, Framer, Message};

use super::answers;
use super::sent::check_sent;
use super::world::World;
use crate::choices::Choices;

impl World {
    pub(super) fn perform_all(&mut self, worker: usize) {
        let mut outputs = 0;
        while let Some(output) = self.cores[worker].poll_output() {
            outputs += 1;
            assert!(outputs < OUTPUTS_MAX, "one input has no end of outputs");
            self.perform(u16::try_from(worker).expect("two at most"), output);
        }
    }

    fn perform(&mut self, worker: WorkerId, output: Output) {
        self.note(|| format!("out {worker}: {output:?}"));
        self.reached.insert(kind(&output).to_owned());
        match output {
            Output::Transmit { flow, bytes } => self.transmit(worker, flow, bytes),
            Output::CloseFlow { flow } => {
                if let Some(closed) = self.flows.remove(&flow) {
                    self.pending.push_back((closed.worker, Input::FlowClosed(flow)));
                }
            }
            Output::MoveFlow { flow, to } => self.begin_move(flow, to),
            Output::Handoff { to, handoff } => {
                // What goes is what would go to another node: bytes.
                let bytes = serde_json::to_vec(&handoff).expect("a handoff is serialisable");
                let handoff = serde_json::from_slice(&bytes).expect("and comes back");
                self.pending.push_back((to, Input::Handoff(handoff)));
            }
            Output::Ask { id, question } => self.ask(worker, id, question),
            Output::Media(MediaCommand::Close { leg }) => {
                self.legs.retain(|known| *known != leg);
                let event = MediaEvent::Closed { leg, report: LegReport::default() };
                self.pending.push_back((worker, Input::Media(event)));
            }
            Output::Media(command) => drop(serde_json::to_vec(&command).expect("a command is serialisable")),
            Output::KeepMeeting(meeting) => drop(meeting.checked().expect("what is to be kept is in order")),
            Output::KeepSuspect(suspect) => drop(serde_json::to_vec(&suspect).expect("a suspect is serialisable")),
            Output::KeepAnswer(answer) => drop(serde_json::to_vec(&answer).expect("an answer is serialisable")),
            Output::Decided(_)
            | Output::SlowFlow { .. }
            | Output::LookAlike(_)
            | Output::PartnerReach { .. }
            | Output::PartnerNames { .. }
            | Output::Record(_) => {}
        }
    }

    fn transmit(&mut self, worker: WorkerId, flow: FlowId, bytes: Bytes) {
        let mut buffer = BytesMut::from(&bytes[..]);
        let framed = Framer::default().cut(&mut buffer);
        assert_eq!(framed, Ok(Some(Frame::Message(bytes.clone()))), "not one message");
        let message = Message::parse(bytes).expect("what is framed is read");
        check_sent(&message, self.part);
        let kind = message
            .status()
            .map_or_else(|| message.method().map(|method| method.to_string()), |status| Some(status.to_string()));
        self.reached.extend(kind);
        if let Some(flow) = self.flows.get_mut(&flow) {
            assert!(flow.worker == worker || !flow.facts.id.is_reliable(), "another worker's flow");
            flow.speech.hear(message);
        }
    }

    /// The other worker sees the flow first, then what is said of it.
    fn begin_move(&mut self, flow: FlowId, to: WorkerId) {
        if let Some(moved) = self.flows.get_mut(&flow) {
            moved.worker = to;
            let facts = moved.facts.clone();
            self.pending.push_back((to, Input::FlowOpened(facts)));
        }
    }

    fn ask(&mut self, worker: WorkerId, id: QuestionId, question: Question) {
        if let Question::OpenLeg { leg } = question {
            self.legs.push(leg);
        }
        let answer = match (self.is_over, self.is_prompt) {
            (true, _) => answers::failed(&question, &mut Choices::new(&[])),
            (false, true) => self.right(worker, &question),
            (false, false) => return self.questions.push_back((worker, id, question)),
        };
        self.pending.push_back((worker, Input::Answer { id, answer }));
    }
}

fn kind(output: &Output) -> &'static str {
    match output {
        Output::Transmit { .. } => "Transmit",
        Output::CloseFlow { .. } => "CloseFlow",
        Output::SlowFlow { .. } => "SlowFlow",
        Output::MoveFlow { .. } => "MoveFlow",
        Output::Handoff { .. } => "Handoff",
        Output::Ask { .. } => "Ask",
        Output::Media(_) => "Media",
        Output::KeepMeeting(_) => "KeepMeeting",
        Output::Decided(_) => "Decided",
        Output::Record(_) => "Record",
        Output::LookAlike(_) => "LookAlike",
        Output::PartnerReach { .. } => "PartnerReach",
        Output::PartnerNames { .. } => "PartnerNames",
        Output::KeepSuspect(_) => "KeepSuspect",
        Output::KeepAnswer(_) => "KeepAnswer",
    }
}

const OUTPUTS_MAX: usize = 5_000;
