//! How loud a frame is, in the measure of RFC 6464 section 3: 0 is a full-scale square wave, 127 is silence; dB below overload.

/// Decibels below overload (-dBov), 0 to 127.
pub fn level(frame: &[i16]) -> u8 {
    if frame.is_empty() {
        return SILENCE;
    }
    let power: i64 = frame.iter().map(|sample| i64::from(*sample) * i64::from(*sample)).sum();
    if power == 0 {
        return SILENCE;
    }
    let mean = power as f32 / frame.len() as f32 / (32_767.0 * 32_767.0);
    (-10.0 * mean.log10()).round().clamp(0.0, f32::from(SILENCE)) as u8
}

pub const SILENCE: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::sine;

    #[test]
    fn levels_are_those_of_the_standard() {
        assert_eq!(level(&[i16::MAX; 160]), 0);
        assert_eq!(level(&[i16::MIN; 160]), 0);
        assert_eq!(level(&sine(1000.0, 8_000, 160, 32_767.0)), 3);
        assert_eq!(level(&sine(1000.0, 8_000, 160, 3_276.7)), 23);
        assert_eq!(level(&[1; 160]), 90);
        assert_eq!(level(&[0; 160]), SILENCE);
        assert_eq!(level(&[]), SILENCE);
    }
}
