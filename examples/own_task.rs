//! A task of one's own: sparse regression, y = ±x_j + ε, where a prompt hides which covariate j counts and its sign.
//! A struct and a trait; training, masks, tests and reference predictors are then those of floe's own tasks.

use floe::random::rng::{below, normals4, pcg4d};
use floe::{Config, Experiment, Law, Machine, OwnLaw, Problem, Result, check, config, gpu};

struct Sparse {
    /// The covariate that counts, with a plus; none to hide another in each prompt.
    feature: Option<u32>,
}

const DIM: usize = 3;
const NOISE: f32 = 0.1;

impl OwnLaw for Sparse {
    fn name(&self) -> &str {
        "sparse"
    }

    fn dim(&self) -> usize {
        DIM
    }

    // What a device draws by. Every number is a function of (slot, prompt, step, key): no state, no order.
    fn wgsl(&self) -> &str {
        "var<private> own_counter: vec3u;
         var<private> own_feature: u32;
         var<private> own_sign: f32;

         fn own_begin(prompt: u32, step: u32, key: u32) {
           own_counter = vec3u(prompt, step, key);
           let words = pcg4d(vec4u(0u, own_counter));
           own_feature = select(below(words.x, DIM), FEATURE, FEATURE < DIM);
           own_sign = select(-1.0, 1.0, FEATURE < DIM || words.y < 0x80000000u);
         }

         fn own_token(slot: u32) {
           let words = pcg4d(vec4u(1u + slot, own_counter));
           let first = normal_pair(words.x, words.y);
           let second = normal_pair(words.z, words.w);
           token[1] = first.x;
           token[2] = first.y;
           token[3] = second.x;
           token[DIM + 1u] = own_sign * token[1u + own_feature] + numbers[0] * second.y;
         }"
    }

    fn constants(&self) -> Vec<(&str, u32)> {
        vec![("FEATURE", self.feature.unwrap_or(u32::MAX))]
    }

    fn numbers(&self) -> Vec<f32> {
        vec![NOISE]
    }

    // The same again in f64, to compare with.
    fn draw(&self, prompt: u32, step: u32, key: u32, shots: usize) -> Vec<(Vec<f64>, f64)> {
        let words = pcg4d([0, prompt, step, key]);
        let feature = self.feature.unwrap_or(below(words[0], DIM as u32));
        let sign = if self.feature.is_some() || words[1] < 1 << 31 { 1.0 } else { -1.0 };
        let token = |slot| {
            let normals = normals4([1 + slot, prompt, step, key]);
            let x = normals[..DIM].to_vec();
            let y = sign * x[feature as usize] + NOISE as f64 * normals[DIM];
            (x, y)
        };
        (0..=shots as u32).map(token).collect()
    }
}

const EXPERIMENT: &str = r#"
seed = 1
pretrain = { steps = 1500, batch = 400, shots = 10 }
finetune = { steps = 500, batch = 400, shots = 10 }
eval = { prompts = 2000, seeds = 1, shots = 10 }
methods = [{ name = "value", loss = "zs", train = ["*.v"] }]
"#;

fn main() -> Result<()> {
    let config: Config = config::resolve_text("this example", EXPERIMENT, &[])?;
    let law = |feature| Law::own(Sparse { feature });
    let tests = vec![("target", law(Some(0))), ("fresh", law(None))];
    let problem = Problem::new(config.seed, law(None), law(Some(0)), tests, "sparse regression")?;
    let engine = gpu::open("auto")?;
    let machine = Machine::of(&engine);

    // The device and the host draw the same prompts, or nothing below means what it says.
    for row in check::law(&problem.pretrain, &engine, &machine.tuning)? {
        println!("{}: {}", row.case, if row.passes() { "drawn alike" } else { &row.failure });
    }

    let experiment = Experiment::with_problem(config, problem)?;
    let pretrained = experiment.train("pretrained", experiment.init(), machine)?;
    let tuned = experiment.train("value", pretrained.clone(), machine)?;
    let models = [("pretrained".to_string(), pretrained), ("value".to_string(), tuned)];
    let mut rows = experiment.evaluator(machine).models(&models)?;
    rows.extend(floe::eval::references(
        &experiment.config,
        &experiment.problem,
        &experiment.table,
        &experiment.plans,
    )?);
    for row in rows.iter().filter(|row| row.shots % 10 == 0) {
        println!("{} on {}, {} shots: {:.3}", row.model, row.task, row.shots, row.mean);
    }
    Ok(())
}
