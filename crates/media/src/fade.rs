//! A gain that goes from nothing to all, or back, within milliseconds, so that nothing clicks where a voice comes or goes.

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fade {
    gain: f32,
    is_opening: bool,
}

impl Fade {
    pub fn open() -> Self {
        Self { gain: 1.0, is_opening: true }
    }

    pub fn closed() -> Self {
        Self { gain: 0.0, is_opening: false }
    }

    pub fn aim(&mut self, is_open: bool) {
        self.is_opening = is_open;
    }

    /// Nothing passes, nor will.
    pub fn is_closed(&self) -> bool {
        self.gain == 0.0 && !self.is_opening
    }

    pub fn is_moving(&self) -> bool {
        self.gain != if self.is_opening { 1.0 } else { 0.0 }
    }

    /// Goes on by one frame of samples that follow each other.
    pub fn run(&mut self, sample_rate: u32, frame: &mut [i32]) {
        if !self.is_moving() && self.is_opening {
            return;
        }
        let step = 1000.0 / (FADE_MS * sample_rate as f32);
        let signed = if self.is_opening { step } else { -step };
        for sample in frame {
            self.gain = (self.gain + signed).clamp(0.0, 1.0);
            *sample = (*sample as f32 * self.gain) as i32;
        }
    }
}

const FADE_MS: f32 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fade_has_no_steps_and_ends() {
        let mut fade = Fade::closed();
        fade.aim(true);
        let mut frame = vec![10_000; 160];
        fade.run(8_000, &mut frame);
        assert!(frame.windows(2).all(|pair| (0..=251).contains(&(pair[1] - pair[0]))), "{frame:?}");
        assert_eq!(frame[40..], [10_000; 120]);
        assert!(!fade.is_moving());
        fade.aim(false);
        let mut frame = vec![10_000; 160];
        fade.run(8_000, &mut frame);
        assert_eq!((frame[0], frame[40], fade.is_closed()), (9_750, 0, true));
    }
}
