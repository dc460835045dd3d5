//! What came of it: every raw figure, the medians, and how many times as good ours is.

use std::fmt;

use serde::Serialize;

use super::{Scene, Turn};
use crate::compare::median;

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub rows: Vec<Row>,
}

/// One scene, by both in turn.
#[derive(Debug, Serialize)]
pub struct Row {
    #[serde(flatten)]
    scene: Scene,
    pub comity: Vec<Turn>,
    pub janus: Vec<Turn>,
}

impl Row {
    pub const fn new(scene: Scene) -> Row {
        Row { scene, comity: Vec::new(), janus: Vec::new() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Microseconds of CPU for a participant and a frame of 20 ms, in each turn.\n")?;
        writeln!(f, "| Codec | Participants | Talk | Comity | Janus | times as good |")?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- |")?;
        for Row { scene: Scene { codec, participants, talking, .. }, comity, janus } in &self.rows {
            let ratio = median(&costs(janus)).zip(median(&costs(comity))).map(|(janus, comity)| janus / comity);
            let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}"));
            let (comity, janus) = (listed(comity), listed(janus));
            writeln!(f, "| {codec:?} | {participants} | {talking:?} | {comity} | {janus} | {ratio} |")?;
        }
        Ok(())
    }
}

fn costs(turns: &[Turn]) -> Vec<f64> {
    turns.iter().map(|turn| turn.cpu_us).collect()
}

fn listed(turns: &[Turn]) -> String {
    turns.iter().map(|turn| format!("{:.1}", turn.cpu_us)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::phones::Heard;
    use crate::mixer::{Codec, Talking};

    #[test]
    fn a_ratio_is_of_medians() {
        let turns = |costs: [f64; 3]| costs.map(|cpu_us| Turn { cpu_us, heard: Heard::default() }).into();
        let scene = Scene { codec: Codec::Opus, participants: 10, talking: Talking::Two, secs: 1 };
        let row = Row { scene, comity: turns([4.0, 1.0, 2.0]), janus: turns([8.0, 90.0, 7.0]) };
        let text = Report { rows: vec![row] }.to_string();
        assert!(text.contains("| Opus | 10 | Two | 4.0, 1.0, 2.0 | 8.0, 90.0, 7.0 | 4.0 |"), "{text}");
    }
}
