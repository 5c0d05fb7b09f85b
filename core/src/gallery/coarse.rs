//! Templates in one byte a number: a quarter of the memory to sweep, and a bound on the error.
//!
//! A search reads every template, so it costs what moving them through memory costs. [`Code`]s
//! say how similar a template can be at most; only what could still win is compared exactly.
//! The bound is a proof, not a tuning value: the exact search and this one agree always.
//!
//! With t = s·c + e (template, scale, code, rest) and x = u·q + f (the same of the face looked
//! for): t·x = s·u·(c·q) + s·c·f + e·x, and by Cauchy and Schwarz the last two terms are at most
//! (|t| + |e|)·|f| + |e|·|x|.

/// Largest code of a template's number.
const TEMPLATE_LIMIT: f32 = 127.0;
/// Largest code of a number looked for: one of 15 bits leaves next to no rest, and 16-bit
/// multiplication is what every vector unit has.
const PROBE_LIMIT: i32 = 16_383;
/// What rounding in `f32` can add: 64 additions in each of the exact product's lanes, each off by
/// at most 2⁻²⁴ of a sum of at most 1, are 4e-6; the few operations on scales are far below that.
const ROUNDING: f32 = 1e-5;

/// One template, coarsely: all but its codes, which lie side by side with the others'.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    scale: f32,
    /// |t| + |e|.
    reach: f32,
    /// |e|.
    rest: f32,
}

impl Code {
    /// Encodes `template`, which must be a direction, and appends its numbers to `codes`.
    pub(super) fn append(template: &[f32], codes: &mut Vec<i8>) -> Self {
        let scale = largest(template) / TEMPLATE_LIMIT;
        let (mut norm, mut rest) = (0.0, 0.0);
        for &value in template {
            let code = (value / scale).round() as i8;
            codes.push(code);
            norm += value * value;
            rest += (value - f32::from(code) * scale).powi(2);
        }
        let rest = rest.sqrt();
        Self {
            scale,
            reach: norm.sqrt() + rest,
            rest,
        }
    }

    /// What the exact similarity of this template can be at most.
    pub(super) fn at_most(&self, codes: &[i8], probe: &Probe) -> f32 {
        let product = integer_dot(codes, &probe.codes) as f32;
        product * (self.scale * probe.scale)
            + self.reach * probe.rest
            + self.rest * probe.norm
            + ROUNDING
    }
}

/// The face looked for, encoded once a search.
#[derive(Debug)]
pub(super) struct Probe {
    codes: Vec<i16>,
    scale: f32,
    /// |f|.
    rest: f32,
    /// |x|.
    norm: f32,
}

impl Probe {
    /// Encodes the numbers of an embedding.
    pub(super) fn new(values: &[f32]) -> Self {
        let dimensions = i32::try_from(values.len()).unwrap_or(i32::MAX).max(1);
        // The sum of products must fit 32 bits whatever the codes are.
        let limit = PROBE_LIMIT.min(i32::MAX / 127 / dimensions).max(1) as f32;
        let scale = (largest(values) / limit).max(f32::MIN_POSITIVE);
        let codes: Vec<i16> = values.iter().map(|x| (x / scale).round() as i16).collect();
        let rest = values.iter().zip(&codes);
        let rest = rest.map(|(x, &code)| (x - f32::from(code) * scale).powi(2));
        Self {
            rest: rest.sum::<f32>().sqrt(),
            norm: values.iter().map(|x| x * x).sum::<f32>().sqrt(),
            scale,
            codes,
        }
    }
}

/// In blocks of fixed length: then the compiler widens and multiplies whole registers (`pmaddwd` on
/// any x86-64, `smlal` on any aarch64).
fn integer_dot(codes: &[i8], probe: &[i16]) -> i32 {
    let (codes, codes_rest) = codes.as_chunks::<32>();
    let (probe, probe_rest) = probe.as_chunks::<32>();
    let product = |code: i8, q: i16| i32::from(i16::from(code)) * i32::from(q);
    let mut sum = 0;
    for (x, y) in codes.iter().zip(probe) {
        let mut block = 0;
        for lane in 0..32 {
            block += product(x[lane], y[lane]);
        }
        sum += block;
    }
    let rest = codes_rest.iter().zip(probe_rest);
    sum + rest.map(|(&code, &q)| product(code, q)).sum::<i32>()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, x| most.max(x.abs()))
}
