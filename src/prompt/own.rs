//! A law of prompts of one's own: WGSL that draws a token, and its twin on the host.

use std::fmt;
use std::sync::Arc;

/// A law of prompts that floe doesn't come with.
///
/// It is written twice. [`wgsl`](OwnLaw::wgsl) is what devices draw by; [`draw`](OwnLaw::draw) draws the same prompts
/// again in f64, and `check::law` holds the one against the other.
///
/// The text has two functions:
///
/// - `fn own_begin(prompt: u32, step: u32, key: u32)` starts a prompt: it keeps, in `var<private>`s of its own, what
///   its tokens share, such as a hidden task;
/// - `fn own_token(slot: u32)` writes the covariates to `token[1]` … `token[DIM]` and the target to `token[DIM + 1u]`,
///   of the query for slot 0 and of demonstration i for slot 1 + i. A prompt's slots are asked for in order, each once.
///
/// Both are functions of their arguments and nothing else: every random number comes from a counter. At hand are
/// `pcg4d(vec4u) -> vec4u` (four words of a counter), `normal_pair(u32, u32) -> vec2f` (two normals of two words) and
/// `below(word, bound) -> u32`, whose host twins are in [`crate::random::rng`]; `numbers: array<f32>`, which are
/// [`numbers`](OwnLaw::numbers); and the constants `DIM` (d), `D` (d + 2), `SHOTS` (n), `SLOTS` (n + 1) and those of
/// [`constants`](OwnLaw::constants). Other names of its own begin with `own_`, so that they are no kernel's.
///
/// Loops are `for (var i = 0u; i < N; i++)` with a bound of constants, because some drivers end the loops of an invocation,
/// without a word, once they have gone round too often; `/*unroll*/` before one writes it out, which is faster where it
/// goes over `token`. Comments begin with `//`, and functions on lines of their own. All of it is compiled with the
/// driver's checks of indexes on.
pub trait OwnLaw: Send + Sync {
    /// What it is called in messages and files.
    fn name(&self) -> &str;

    /// Covariates an example, d.
    fn dim(&self) -> usize;

    /// `own_begin` and `own_token`.
    fn wgsl(&self) -> &str;

    /// Integers that the text has as constants.
    fn constants(&self) -> Vec<(&str, u32)> {
        Vec::new()
    }

    /// What the text reads as `numbers`.
    fn numbers(&self) -> Vec<f32> {
        Vec::new()
    }

    /// Prompt number `prompt` of step `step` under a key, n = `shots`: the query's covariates `[d]` and its target, then
    /// those of the demonstrations, [n + 1].
    fn draw(&self, prompt: u32, step: u32, key: u32, shots: usize) -> Vec<(Vec<f64>, f64)>;

    /// About how many operations a token takes, by which launches are kept short.
    fn operations(&self) -> f64 {
        40.0 * (self.dim() + 1) as f64
    }
}

/// A law of one's own under a key, which its random numbers depend on.
#[derive(Clone)]
pub struct Own {
    /// Key of the random numbers.
    pub key: u32,
    /// The law.
    pub law: Arc<dyn OwnLaw>,
}

impl Own {
    /// All that its prompts depend on but the key, as bytes.
    pub fn print(&self) -> Vec<u8> {
        let law = &self.law;
        let mut bytes = format!("{:?}", (law.name(), law.dim(), law.wgsl(), law.constants())).into_bytes();
        bytes.extend(law.numbers().iter().flat_map(|x| x.to_bits().to_le_bytes()));
        bytes
    }
}

/// Laws of the same text, constants and numbers draw the same prompts.
impl PartialEq for Own {
    fn eq(&self, other: &Own) -> bool {
        self.key == other.key && (Arc::ptr_eq(&self.law, &other.law) || self.print() == other.print())
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Own({:?}, key {})", self.law.name(), self.key)
    }
}
