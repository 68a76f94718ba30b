//! The training step of floe's paper preset in Burn: sample B = 5000 prompts, loss, gradient, clip to global norm 1,
//! SGD with momentum 0.9 and learning rate 0.01. One layer, one head, query and key merged, 98 parameters, f32.
//!
//! Prints one JSON line: `burn-step --backend wgpu --form columns`.

use burn::tensor::{Device, Distribution, Tensor};
use std::time::Instant;

const BURN: &str = "0.22.1";
const DIM: usize = 5;
/// Width of a token (1, x, y).
const WIDTH: usize = DIM + 2;
/// Tokens of a prompt: 20 demonstrations and the query.
const TOKENS: usize = 21;
const BATCH: usize = 5000;
const NOISE: f64 = 0.1;
const LR: f64 = 0.01;
const MOMENTUM: f64 = 0.9;
const CLIP: f64 = 1.0;

/// Ways to write the step.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// The paper's formulas: whole attention matrix, prompts in rows, autodiff.
    Full,
    /// The query's row of it, autodiff.
    Query,
    /// The query's row with the batch innermost, autodiff.
    Columns,
    /// The same with the gradient by hand.
    Hand,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str, default: &str| -> String {
        let at = args.iter().position(|a| a == name);
        at.and_then(|i| args.get(i + 1)).map_or(default, String::as_str).to_string()
    };
    let (backend, form) = (value("--backend", "flex"), value("--form", "hand"));
    let number = |name: &str, default: &str| match value(name, default).parse::<f64>() {
        Ok(number) if number > 0.0 => number,
        _ => usage(&format!("{name} needs a positive number")),
    };
    let (seconds, chunks) = (number("--seconds", "5"), number("--chunks", "5") as usize);
    let device = open(&backend).unwrap_or_else(|| usage(&format!("no backend `{backend}` in this build")));
    let kind = match form.as_str() {
        "full" => Form::Full,
        "query" => Form::Query,
        "columns" => Form::Columns,
        "hand" => Form::Hand,
        _ => usage(&format!("no form `{form}`; there are full, query, columns and hand")),
    };
    let mut training = Training::new(device, kind);
    let (times, steps, loss) = measure(&mut training, seconds, chunks.max(1));
    if !loss.is_finite() {
        eprintln!("burn {backend} {form}: the loss is not finite");
        std::process::exit(1);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        r#"{{"peer": "burn", "variant": "{backend}", "form": "{form}", "step": "pretrain", "ms": {}, "ms_min": {}, "ms_max": {}, "chunks": {}, "steps_a_chunk": {steps}, "loss": {loss}, "burn": "{BURN}", "threads": {threads}}}"#,
        times[times.len() / 2],
        times[0],
        times[times.len() - 1],
        times.len(),
    );
}

fn usage(message: &str) -> ! {
    eprintln!(
        "{message}\nburn-step [--backend wgpu|flex|ndarray] [--form full|query|columns|hand] [--seconds S] [--chunks N]"
    );
    std::process::exit(2);
}

fn open(backend: &str) -> Option<Device> {
    match backend {
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "flex")]
        "flex" => Some(Device::flex()),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated, reason = "the older CPU backend is a peer as well")]
        "ndarray" => Some(Device::ndarray()),
        #[cfg(feature = "cpu")]
        "cpu" => Some(Device::cpu()),
        _ => None,
    }
}

/// Milliseconds a step of each chunk in rising order, steps a chunk, last loss. Two short chunks warm up (autotune,
/// pipelines) and size the rest.
fn measure(training: &mut Training, seconds: f64, chunks: usize) -> (Vec<f64>, usize, f32) {
    let mut loss = training.steps(4);
    let began = Instant::now();
    training.steps(4);
    let each = began.elapsed().as_secs_f64() / 4.0;
    let count = ((seconds / chunks as f64 / each) as usize).max(1);
    let mut times = Vec::new();
    for _ in 0..chunks {
        let began = Instant::now();
        loss = training.steps(count);
        times.push(began.elapsed().as_secs_f64() * 1e3 / count as f64);
    }
    times.sort_by(f64::total_cmp);
    (times, count, loss)
}

struct Training {
    device: Device,
    form: Form,
    /// V above the merged Q, [2 W, W].
    params: Tensor<2>,
    velocity: Tensor<2>,
}

impl Training {
    fn new(device: Device, form: Form) -> Self {
        device.seed(0);
        let shape = [2 * WIDTH, WIDTH];
        let params = Tensor::random(shape, Distribution::Normal(0.0, 0.05), &device);
        let velocity = Tensor::zeros(shape, &device);
        Training { device, form, params, velocity }
    }

    /// Takes steps and waits for them; the last one's loss.
    fn steps(&mut self, count: usize) -> f32 {
        let mut loss = None;
        for _ in 0..count {
            let (gradient, last) = self.gradient();
            let norm = gradient.clone().square().sum().sqrt();
            let shrink = norm.add_scalar(1e-6).recip().mul_scalar(CLIP).clamp_max(1.0).reshape([1, 1]);
            self.velocity = self.velocity.clone().mul_scalar(MOMENTUM) + gradient * shrink;
            self.params = self.params.clone() - self.velocity.clone().mul_scalar(LR);
            loss = Some(last);
        }
        // Reading waits for everything before it.
        loss.map_or(f32::NAN, |loss| loss.into_scalar())
    }

    /// Gradient [2 W, W] and loss on a fresh batch.
    fn gradient(&self) -> (Tensor<2>, Tensor<1>) {
        if self.form == Form::Hand {
            let batch = Columns::draw(&self.device);
            return by_hand(&self.params, &batch);
        }
        let params = self.params.clone().autodiff().require_grad();
        // Data take no part in the gradient, but must live where the parameters do.
        let error = match self.form {
            Form::Columns => {
                let batch = Columns::draw(&self.device).autodiff();
                let (prediction, _, _) = batch.predict(&params);
                (prediction - batch.target).reshape([BATCH])
            }
            _ => {
                let (z, y) = draw_rows(&self.device);
                let z = z.autodiff();
                let predict = if self.form == Form::Full { full } else { query };
                predict(&params, z) - y.autodiff()
            }
        };
        let loss = error.square().mean();
        let mut gradients = loss.backward();
        let gradient = params.grad_remove(&mut gradients).expect("the loss depends on the parameters");
        (gradient, loss.inner())
    }
}

fn normal<const D: usize>(shape: [usize; D], std: f64, device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, std), device)
}

/// Tokens [B, N, W], query last, and its y [B].
fn draw_rows(device: &Device) -> (Tensor<3>, Tensor<1>) {
    let g = normal([BATCH, 1, DIM], 1.0, device);
    let theta = g.clone() / g.square().sum_dim(2).sqrt();
    let x = normal([BATCH, TOKENS, DIM], 1.0, device);
    let y = (x.clone() * theta).sum_dim(2) + normal([BATCH, TOKENS, 1], NOISE.sqrt(), device);
    let target = y.clone().slice([0..BATCH, TOKENS - 1..TOKENS, 0..1]).reshape([BATCH]);
    let known = y.slice([0..BATCH, 0..TOKENS - 1, 0..1]);
    let known = Tensor::cat(vec![known, Tensor::zeros([BATCH, 1, 1], device)], 1);
    (Tensor::cat(vec![Tensor::ones([BATCH, TOKENS, 1], device), x, known], 2), target)
}

fn value_of(params: &Tensor<2>) -> Tensor<2> {
    params.clone().slice([0..WIDTH, 0..WIDTH])
}

fn qk_of(params: &Tensor<2>) -> Tensor<2> {
    params.clone().slice([WIDTH..2 * WIDTH, 0..WIDTH])
}

/// Every token attends to every token; predictions [B].
fn full(params: &Tensor<2>, z: Tensor<3>) -> Tensor<1> {
    let flat = z.clone().reshape([BATCH * TOKENS, WIDTH]);
    let keys = flat.clone().matmul(qk_of(params)).reshape([BATCH, TOKENS, WIDTH]);
    let values = flat.matmul(value_of(params).transpose()).reshape([BATCH, TOKENS, WIDTH]);
    let attention = keys.matmul(z.clone().swap_dims(1, 2));
    let out = z + attention.matmul(values).div_scalar(TOKENS as f64);
    out.slice([0..BATCH, TOKENS - 1..TOKENS, WIDTH - 1..WIDTH]).reshape([BATCH])
}

/// The query's row alone.
fn query(params: &Tensor<2>, z: Tensor<3>) -> Tensor<1> {
    let zq = z.clone().slice([0..BATCH, TOKENS - 1..TOKENS, 0..WIDTH]).reshape([BATCH, WIDTH]);
    let b = zq.matmul(qk_of(params)).reshape([BATCH, 1, WIDTH]);
    let v = params.clone().slice([WIDTH - 1..WIDTH, 0..WIDTH]).reshape([1, 1, WIDTH]);
    let scores = (z.clone() * b).sum_dim(2);
    let values = (z * v).sum_dim(2);
    (scores * values).sum_dim(1).reshape([BATCH]).div_scalar(TOKENS as f64)
}

/// A batch with the prompts innermost, query first.
struct Columns {
    /// [N, D, B].
    x: Tensor<3>,
    /// [N, 1, B], the query's 0.
    known: Tensor<3>,
    /// (1, x_q, 0), [W, B].
    zq: Tensor<2>,
    /// [1, 1, B].
    target: Tensor<3>,
}

impl Columns {
    fn draw(device: &Device) -> Self {
        let g = normal([1, DIM, BATCH], 1.0, device);
        let theta = g.clone() / g.square().sum_dim(1).sqrt();
        let x = normal([TOKENS, DIM, BATCH], 1.0, device);
        let y = (x.clone() * theta).sum_dim(1) + normal([TOKENS, 1, BATCH], NOISE.sqrt(), device);
        let target = y.clone().slice([0..1, 0..1, 0..BATCH]);
        let zero = Tensor::zeros([1, 1, BATCH], device);
        let known = Tensor::cat(vec![zero.clone(), y.slice([1..TOKENS, 0..1, 0..BATCH])], 0);
        let xq = x.clone().slice([0..1, 0..DIM, 0..BATCH]);
        let zq = Tensor::cat(vec![Tensor::ones([1, 1, BATCH], device), xq, zero], 1).reshape([WIDTH, BATCH]);
        Columns { x, known, zq, target }
    }

    fn autodiff(self) -> Self {
        Columns {
            x: self.x.autodiff(),
            known: self.known.autodiff(),
            zq: self.zq.autodiff(),
            target: self.target.autodiff(),
        }
    }

    /// Predictions [1, 1, B], scores and values [N, 1, B].
    fn predict(&self, params: &Tensor<2>) -> (Tensor<3>, Tensor<3>, Tensor<3>) {
        let b = qk_of(params).transpose().matmul(self.zq.clone()).reshape([1, WIDTH, BATCH]);
        let v = params.clone().slice([WIDTH - 1..WIDTH, 0..WIDTH]).reshape([1, WIDTH, 1]);
        let (scores, values) = (self.times(b, BATCH), self.times(v, 1));
        let sum = (scores.clone() * values.clone()).sum_dim(0);
        (sum.div_scalar(TOKENS as f64), scores, values)
    }

    /// Products of the tokens with `weights` [1, W, `last`]: [N, 1, B].
    fn times(&self, weights: Tensor<3>, last: usize) -> Tensor<3> {
        let part = |from: usize, to: usize| weights.clone().slice([0..1, from..to, 0..last]);
        (self.x.clone() * part(1, DIM + 1)).sum_dim(1)
            + self.known.clone() * part(WIDTH - 1, WIDTH)
            + part(0, 1)
    }

    /// Σ over tokens of `weights` [N, 1, B] times token: [1, W, B].
    fn weighted(&self, weights: Tensor<3>) -> Tensor<3> {
        let x = (self.x.clone() * weights.clone()).sum_dim(0);
        let y = (self.known.clone() * weights.clone()).sum_dim(0);
        Tensor::cat(vec![weights.sum_dim(0), x, y], 1)
    }
}

/// With u = Σ value·z and t = Σ score·z over a prompt's tokens, dL/dQ = z_q (r u)ᵀ and dL/dv = Σ r t, r being
/// 2 (prediction − y) / (N B).
fn by_hand(params: &Tensor<2>, batch: &Columns) -> (Tensor<2>, Tensor<1>) {
    let (prediction, scores, values) = batch.predict(params);
    let error = prediction - batch.target.clone();
    let r = error.clone().mul_scalar(2.0 / (TOKENS * BATCH) as f64);
    let u = (batch.weighted(values) * r.clone()).reshape([WIDTH, BATCH]);
    let t = (batch.weighted(scores) * r).sum_dim(2).reshape([1, WIDTH]);
    let qk = batch.zq.clone().matmul(u.transpose());
    let zeros = Tensor::zeros([WIDTH - 1, WIDTH], &params.device());
    (Tensor::cat(vec![zeros, t, qk], 0), error.square().mean())
}
