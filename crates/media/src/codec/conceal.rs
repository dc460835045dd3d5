//! What is heard in place of a lost packet, for the encodings that do not say it themselves: the last sound to and fro, fading.

use super::frame_len;

/// Plays the last frame backwards, then forwards, and so on: each turn begins with the sample that was heard last, so nothing clicks.
pub struct Concealment {
    sample_rate: u32,
    /// The last that was heard, at most a frame.
    last: Vec<i16>,
    /// Samples concealed since.
    concealed: usize,
}

impl Concealment {
    pub fn new(sample_rate: u32) -> Self {
        Self { sample_rate, last: Vec::new(), concealed: 0 }
    }

    /// Remembers what was heard. The first of it after a loss is blended with what would have been concealed.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.concealed > 0 {
            let blended = ((self.sample_rate * BLEND_MS / 1000) as usize).min(samples.len());
            for (index, sample) in samples[..blended].iter_mut().enumerate() {
                let part = index as f32 / blended as f32;
                *sample = (f32::from(*sample) * part + self.next() * (1.0 - part)) as i16;
            }
            self.concealed = 0;
        }
        let kept = samples.len().min(frame_len(self.sample_rate));
        self.last.clear();
        self.last.extend_from_slice(&samples[samples.len() - kept..]);
    }

    /// Appends a frame.
    pub fn conceal(&mut self, out: &mut Vec<i16>) {
        for _ in 0..frame_len(self.sample_rate) {
            out.push(self.next() as i16);
        }
    }

    fn next(&mut self) -> f32 {
        let faded = (self.sample_rate * FADE_MS / 1000) as usize;
        if self.last.is_empty() || self.concealed >= faded {
            // So that the blend knows of the loss.
            self.concealed = faded;
            return 0.0;
        }
        let position = self.concealed % (2 * self.last.len());
        let index =
            if position < self.last.len() { self.last.len() - 1 - position } else { position - self.last.len() };
        let gain = 1.0 - self.concealed as f32 / faded as f32;
        self.concealed += 1;
        f32::from(self.last[index]) * gain
    }
}

const FADE_MS: u32 = 60;
const BLEND_MS: u32 = 4;
