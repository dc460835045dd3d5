//! G.722 at 64 kbit/s (ITU-T G.722, mode 1): two bands of 8 kHz, each with an adaptive predictor (ADPCM).
//!
//! Our own, because an encoder must be copied where a listener begins to talk, and those to be had cannot be. Names are the
//! standard's blocks, values are 16 bit in `i32`.

/// 16 kHz to one byte for each two samples.
#[derive(Clone, Default)]
pub struct Encoder {
    filter: BandFilter,
    low: Band,
    high: Band,
}

impl Encoder {
    /// Appends a byte for each two samples; an odd last one is left out.
    pub fn encode(&mut self, frame: &[i16], payload: &mut Vec<u8>) {
        for pair in frame.chunks_exact(2) {
            let (odd, even) = self.filter.next(i32::from(pair[0]), i32::from(pair[1]));
            let low = self.encode_low((even + odd) >> 14);
            let high = self.encode_high((even - odd) >> 14);
            payload.push((high << 6 | low) as u8);
        }
    }

    /// Blocks 1L to 4L: six bits.
    fn encode_low(&mut self, sample: i32) -> usize {
        let difference = saturate(sample - self.low.predictor.s);
        let magnitude = if difference >= 0 { difference } else { -(difference + 1) };
        let step = |level: &i32| (level * self.low.scale(LOW)) >> 12;
        let interval = 1 + Q6.iter().take_while(|level| magnitude >= step(level)).count();
        let code = match difference {
            0.. => 62 - interval,
            _ if interval < 3 => 64 - interval,
            _ => 34 - interval,
        };
        self.low.adapt_low(code >> 2);
        code
    }

    /// Blocks 1H to 4H: two bits.
    fn encode_high(&mut self, sample: i32) -> usize {
        let difference = saturate(sample - self.high.predictor.s);
        let magnitude = if difference >= 0 { difference } else { -(difference + 1) };
        let is_large = magnitude >= (564 * self.high.scale(HIGH)) >> 12;
        let code = match (difference >= 0, is_large) {
            (true, true) => 2,
            (true, false) => 3,
            (false, true) => 0,
            (false, false) => 1,
        };
        self.high.adapt_high(code);
        code
    }
}

/// One byte to two samples at 16 kHz.
#[derive(Clone, Default)]
pub struct Decoder {
    filter: BandFilter,
    low: Band,
    high: Band,
}

impl Decoder {
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        for byte in payload {
            let low_code = usize::from(byte & 0x3f);
            let high_code = usize::from(byte >> 6);
            let low_difference = (self.low.scale(LOW) * QM6[low_code]) >> 15;
            let low = (self.low.predictor.s + low_difference).clamp(-16384, 16383);
            self.low.adapt_low(low_code >> 2);
            let high_before = self.high.predictor.s;
            let high = (self.high.adapt_high(high_code) + high_before).clamp(-16384, 16383);
            let (second, first) = self.filter.next(low + high, low - high);
            out.push(saturate(first >> 11) as i16);
            out.push(saturate(second >> 11) as i16);
        }
    }
}

/// The quadrature mirror filter of 24 taps that parts the bands, and joins them.
#[derive(Clone, Default)]
struct BandFilter {
    odd: [i32; 12],
    even: [i32; 12],
}

impl BandFilter {
    /// Takes two samples and gives the two halves of the filter's sum.
    fn next(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.odd.copy_within(1.., 0);
        self.even.copy_within(1.., 0);
        self.odd[11] = first;
        self.even[11] = second;
        let odd = self.odd.iter().zip(QMF).map(|(sample, tap)| sample * tap).sum();
        let even = self.even.iter().zip(QMF.iter().rev()).map(|(sample, tap)| sample * tap).sum();
        (odd, even)
    }
}

/// The adaptive quantiser's scale and the predictor of one band.
#[derive(Clone, Default)]
struct Band {
    /// NB: the scale's logarithm.
    log_scale: i32,
    predictor: Predictor,
}

impl Band {
    /// Blocks SCALEL and SCALEH.
    fn scale(&self, shift: i32) -> i32 {
        let mantissa = ILB[(self.log_scale >> 6 & 31) as usize];
        let exponent = shift - (self.log_scale >> 11);
        (if exponent < 0 { mantissa << -exponent } else { mantissa >> exponent }) << 2
    }

    /// Takes the upper four of the six bits: the lower two may be robbed on the way.
    fn adapt_low(&mut self, code: usize) {
        let difference = (self.scale(LOW) * QM4[code]) >> 15;
        self.log_scale = (((self.log_scale * 127) >> 7) + W4[code]).clamp(0, 18432);
        self.predictor.adapt(difference);
    }

    fn adapt_high(&mut self, code: usize) -> i32 {
        let difference = (self.scale(HIGH) * QM2[code]) >> 15;
        self.log_scale = (((self.log_scale * 127) >> 7) + W2[code]).clamp(0, 22528);
        self.predictor.adapt(difference);
        difference
    }
}

/// Two poles and six zeros (block 4).
#[derive(Clone, Default)]
struct Predictor {
    /// The prediction, and the zeros' part of it.
    s: i32,
    sz: i32,
    /// The poles' coefficients, the signals they were made from, and those they weigh.
    a: [i32; 2],
    p: [i32; 2],
    r: [i32; 2],
    /// The zeros' coefficients and the differences they weigh.
    b: [i32; 6],
    d: [i32; 6],
}

impl Predictor {
    fn adapt(&mut self, difference: i32) {
        let r = saturate(self.s + difference);
        let p = saturate(self.sz + difference);
        self.a = self.adapted_poles(p);
        self.adapt_zeros(difference);
        self.p = [p, self.p[0]];
        self.r = [r, self.r[0]];
        self.d.copy_within(..5, 1);
        self.d[0] = difference;
        self.predict();
    }

    /// Blocks UPPOL2 and UPPOL1.
    fn adapted_poles(&self, p: i32) -> [i32; 2] {
        let is_same = |other: i32| (p < 0) == (other < 0);
        let first = saturate(self.a[0] << 2);
        let towards = if is_same(self.p[0]) { (-first).min(32767) } else { first };
        let second = (towards >> 7) + if is_same(self.p[1]) { 128 } else { -128 };
        let a2 = (second + ((self.a[1] * 32512) >> 15)).clamp(-12288, 12288);
        let step = if is_same(self.p[0]) { 192 } else { -192 };
        let bound = 15360 - a2;
        let a1 = saturate(step + ((self.a[0] * 32640) >> 15)).clamp(-bound, bound);
        [a1, a2]
    }

    /// Block UPZERO.
    fn adapt_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (b, d) in self.b.iter_mut().zip(self.d) {
            let signed = if (d < 0) == (difference < 0) { step } else { -step };
            *b = saturate(signed + ((*b * 32640) >> 15));
        }
    }

    /// Blocks FILTEP, FILTEZ and PREDIC.
    fn predict(&mut self) {
        let weigh = |(weight, signal): (&i32, &i32)| (weight * saturate(2 * signal)) >> 15;
        let sp = saturate(self.a.iter().zip(&self.r).map(weigh).sum());
        self.sz = saturate(self.b.iter().zip(&self.d).map(weigh).sum());
        self.s = saturate(sp + self.sz);
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// How far the scale's mantissa is shifted in each band.
const LOW: i32 = 8;
const HIGH: i32 = 10;

/// The tables of the standard, under its names. `W4` and `W2` are WL and WH in the order of the codes.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
const Q6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QM4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const W2: [i32; 4] = [798, -214, 798, -214];
const W4: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
