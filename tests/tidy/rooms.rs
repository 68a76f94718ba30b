//! Who may use whom.

/// The modules from the bottom up, a row a room, and what each uses of the others. Uses point to rows above (lower
/// rooms) or sideways, never down the list and never in a circle.
pub const ROOMS: &[&[(&str, &[&str])]] = &[
    &[
        ("error", &["escape"]),
        ("interrupt", &["error"]),
        ("compare", &[]),
        ("bounded", &[]),
        ("escape", &[]),
        ("linalg", &[]),
        ("lock", &["error"]),
        // Figures know no run.
        ("plot", &[]),
        ("random", &[]),
        ("rows", &["error"]),
    ],
    &[("optim", &[]), ("prompt", &["random"]), ("params", &["error", "random"]), ("findings", &["plot"])],
    &[("config", &["bounded", "error", "escape", "optim", "prompt"])],
    &[("fingerprint", &["config", "error"])],
    &[
        // The only room that names wgpu.
        ("gpu", &["error", "escape", "interrupt"]),
    ],
    &[
        ("compiler", &["error", "gpu"]),
        // The CPU's word for word of the kernels. Parity cases and tests alone use it.
        ("reference", &["optim", "prompt", "random"]),
    ],
    &[
        ("kernels", &["error", "gpu", "optim", "params", "prompt", "random", "reference"]),
        ("profile", &["gpu"]),
    ],
    &[
        ("models", &["error", "gpu", "kernels", "optim", "params", "pretrained", "prompt", "random"]),
        ("theory", &["config", "error", "interrupt", "linalg", "random"]),
        // What others publish: read, never written.
        ("pretrained", &["bounded", "error", "store"]),
        ("store", &["bounded", "error", "fingerprint", "lock", "params", "rows"]),
        // Neither kernels nor models: a task is a law.
        ("tasks", &["config", "error", "escape", "fingerprint", "interrupt", "linalg", "prompt", "random"]),
    ],
    &[
        ("check", &["compare", "error", "gpu", "kernels", "prompt"]),
        ("train", &["error", "fingerprint", "gpu", "interrupt", "models", "params", "profile", "store"]),
        (
            "eval",
            &[
                "config",
                "error",
                "gpu",
                "interrupt",
                "kernels",
                "linalg",
                "models",
                "params",
                "pretrained",
                "prompt",
                "store",
                "tasks",
                "theory",
            ],
        ),
        // From files alone.
        (
            "report",
            &["bounded", "config", "error", "escape", "findings", "fingerprint", "plot", "rows", "store"],
        ),
    ],
    &[(
        "job",
        &[
            "config",
            "error",
            "escape",
            "eval",
            "fingerprint",
            "gpu",
            "interrupt",
            "kernels",
            "models",
            "optim",
            "params",
            "profile",
            "prompt",
            "report",
            "store",
            "tasks",
            "train",
        ],
    )],
    &[
        ("probe", &["config", "error", "gpu", "job", "kernels", "models", "params", "store"]),
        ("tune", &["bench", "bounded", "error", "gpu", "kernels", "store"]),
        (
            "bench",
            &[
                "check",
                "compiler",
                "config",
                "error",
                "gpu",
                "interrupt",
                "job",
                "kernels",
                "models",
                "pretrained",
            ],
        ),
    ],
    &[(
        "cli",
        &[
            "bench",
            "bounded",
            "check",
            "compare",
            "compiler",
            "config",
            "error",
            "escape",
            "eval",
            "gpu",
            "interrupt",
            "job",
            "kernels",
            "lock",
            "models",
            "params",
            "pretrained",
            "probe",
            "profile",
            "report",
            "rows",
            "store",
            "train",
            "tune",
        ],
    )],
];
