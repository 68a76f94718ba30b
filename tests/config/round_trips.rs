//! What is written reads back the same.

use super::*;
use proptest::prelude::*;

fn optimizers() -> impl Strategy<Value = Optimizer> {
    let rule = prop_oneof![Just(Rule::Sgd), Just(Rule::Adam), Just(Rule::AdamW)];
    (rule, schedules(), 1e-6..10.0, 0.0..0.99, [0.0..0.99, 0.0..0.99], 1e-10..1e-2, 0.0..1.0, 0.0..5.0)
        .prop_map(|(rule, lr_schedule, lr, momentum, betas, eps, weight_decay, clip)| Optimizer {
            rule,
            lr,
            lr_schedule,
            warmup: 0,
            momentum,
            betas,
            eps,
            weight_decay,
            clip,
        })
}

fn schedules() -> impl Strategy<Value = Schedule> {
    prop_oneof![Just(Schedule::Constant), Just(Schedule::Linear), Just(Schedule::Cosine)]
}

fn tasks() -> impl Strategy<Value = Task> {
    let regression =
        (1usize..9, 0.0..9.0, 1usize..1000, 0..3, any::<bool>()).prop_map(|(dim, noise, pool, c, sphere)| {
            let covariance = match c {
                0 => Covariance::Identity,
                1 => Covariance::Diagonal((1..=dim).map(|i| i as f64 / 3.0).collect()),
                _ => Covariance::File(std::path::absolute("some where/\"s\".csv").unwrap()),
            };
            let theta = if sphere { Theta::Sphere } else { Theta::Gaussian };
            Task::Regression(Regression { dim, noise, covariance, theta, pool })
        });
    let columns =
        prop::collection::vec("[a-z]{1,3}", 0..4).prop_map(|c| c.iter().map(|c| format!("c{c}")).collect());
    let tables = (columns, 0.01..0.99, "\\PC{0,8}", 0.01..0.99, any::<bool>(), any::<bool>()).prop_map(
        |(log1p, heldout, target, target_test, replacement, own)| {
            let path = if own { std::path::absolute("t ä.csv").unwrap() } else { PathBuf::new() };
            Task::Tables(Tables {
                path,
                log1p,
                heldout,
                target,
                target_test,
                replacement,
                ..Tables::default()
            })
        },
    );
    prop_oneof![regression, tables]
}

fn configs() -> impl Strategy<Value = Config> {
    let method =
        ((any::<bool>(), 0.0..4.0, schedules()), prop::option::of(1u64..9), prop::option::of(optimizers()));
    let methods = prop::collection::vec(method, 0..4).prop_map(|list| {
        let one = |(i, ((both, weight, schedule), steps, optimizer)): (
            usize,
            ((bool, f64, Schedule), _, Option<_>),
        )| Method {
            name: format!("m.{i}"),
            loss: if both { Loss::ZsFs } else { Loss::Fs },
            train: vec!["*".into(), format!("!*[row={i}]")],
            schedule: if both { schedule } else { Schedule::Constant },
            weight: if both { weight } else { 1.0 },
            steps,
            lr: optimizer.is_none().then_some(0.1),
            optimizer,
        };
        list.into_iter().enumerate().map(one).collect::<Vec<_>>()
    });
    (0..=i64::MAX as u64, tasks(), optimizers(), methods).prop_map(|(seed, task, optimizer, methods)| {
        Config {
            seed,
            task,
            pretrain: Pretrain { optimizer, ..Pretrain::default() },
            methods,
            ..Config::default()
        }
    })
}

proptest! {
    #[test]
    fn written_and_read_back_it_is_the_same(config in configs()) {
        config.validate("generated").unwrap();
        let text = config.to_toml().unwrap();
        prop_assert_eq!(resolve_text("text", &text, &[]).unwrap(), config);
    }

    #[test]
    fn any_text_is_a_config_or_one_line(text in "\\PC*|[a-z=.\\[\\]\"'0-9{}, \n-]{0,60}") {
        if let Err(e) = resolve_text("text", &text, &[]) {
            prop_assert_eq!((e.exit_code(), e.to_string().lines().count()), (2, 1));
        }
    }

    #[test]
    fn any_bytes_in_a_file_are_a_config_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f.toml");
        std::fs::write(&file, &bytes).unwrap();
        let _ = load(file.to_str().unwrap(), &[]);
    }

    /// A preset with one run of characters replaced: close to valid, so it gets past the parser.
    #[test]
    fn a_damaged_preset_is_no_panic(at in 0usize..4000, cut in 0usize..12, put in "[a-z0-9=.\\[\\]\"{}\n -]{0,6}") {
        let lines: Vec<&str> = PRESETS[0].toml.lines().filter(|l| !l.starts_with('#')).collect();
        let text: Vec<char> = lines.join("\n").chars().collect();
        let at = at % text.len();
        let end = (at + cut).min(text.len());
        let text: String = text[..at].iter().copied().chain(put.chars()).chain(text[end..].iter().copied()).collect();
        if let Err(e) = resolve_text("text", &text, &[]) {
            prop_assert_eq!((e.exit_code(), e.to_string().lines().count()), (2, 1));
        }
    }

    #[test]
    fn any_override_is_a_config_or_one_line(
        key in "[a-z.#0-9]{0,12}|methods(\\.#[0-9]\\.[a-z]{1,4})?|task\\.(kind|dim|covariance|target)|model\\.heads",
        value in "\\PC{0,20}|[0-9.e-]{1,6}|\\[[0-9, ]{0,6}\\]",
    ) {
        let set = format!("{key}={value}");
        if let Err(e) = load("paper", std::slice::from_ref(&set)) {
            prop_assert_eq!((e.exit_code(), e.to_string().lines().count()), (2, 1), "{}", set);
        }
    }
}
