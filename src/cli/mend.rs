//! What a user of the program can do where a device or a training lacks something: the words behind an error's own.

use crate::error::{Absence, Error, Kind, Limit, Mend};
use std::borrow::Cow;

const INSTALL: &str = "nstall a driver: \
     Debian/Ubuntu `apt install mesa-vulkan-drivers`, Fedora `dnf install mesa-vulkan-drivers`, \
     Arch `pacman -S vulkan-swrast` (or your GPU's vulkan-* package), macOS 12 or later (Metal is built in), \
     Windows 10 or later (update the GPU driver; WARP is the software fallback)";

/// What follows the message, with what stands between them; empty where the message says it all.
pub fn mend(error: &Error) -> Cow<'static, str> {
    let slower = |lr: String| format!("; lower the learning rate (now {lr}) or set a gradient clip");
    match error {
        Error::NoDevice { absence: Absence::Driver, .. } => format!(". I{INSTALL}").into(),
        Error::NoDevice { absence: Absence::Environment, .. } => {
            format!(". Without that variable: i{INSTALL}").into()
        }
        Error::Limit { limit, .. } => within(*limit).into(),
        Error::Device(_) => "; the last checkpoint is intact, go on with --resume".into(),
        Error::OutOfMemory { .. } => {
            "; lower `batch`, the shots or the model's size; the last checkpoint is intact".into()
        }
        Error::Diverged { lr, .. } => {
            (slower(lr.to_string()) + "; the last good checkpoint is intact").into()
        }
        Error::Overflow { lr, .. } => {
            (slower(format!("{lr:?}")) + "; what was finished before is intact").into()
        }
        Error::Mendable { mend, .. } => by_flags(*mend).into(),
        _ => "".into(),
    }
}

/// What could be done, by the flags that do it.
fn by_flags(mend: Mend) -> &'static str {
    match mend {
        Mend::Elsewhere => "; choose another --out",
        Mend::GoOn => "; go on with it by --resume, or choose another --out",
        Mend::Same => "; give the same, or choose another --out",
        Mend::SameOrLonger => {
            "; give the same, train a finished phase for longer by --extend, or choose another --out"
        }
        Mend::Restart => "; leave out --resume",
        Mend::SameOrRestart => "; give the same, or leave out --resume to start the phase again",
        Mend::Finish => "; end the phase by --resume and give its checkpoint",
        Mend::Origin => {
            "; if it holds weights of another program, name their experiment by --config PRESET|FILE.toml"
        }
        Mend::EarlierOrOrigin => {
            "; use an earlier checkpoint, or, if another program saved it on purpose, leave out its metadata and give \
             --config"
        }
    }
}

/// The message, in which overrides are called by their flag.
pub fn told(error: &Error) -> String {
    let words = error.to_string();
    match (error.kind(), words.strip_prefix("override ")) {
        (Kind::Config, Some(rest)) => format!("--set {rest}"),
        _ => words,
    }
}

/// An error of usage, said of the flag that it came by.
pub fn of_flag(flag: &str, error: Error) -> Error {
    match error {
        Error::Usage(words) => Error::Usage(match words.strip_prefix(flag.trim_start_matches('-')) {
            Some(rest) => format!("{flag}{rest}"),
            None if words.starts_with('`') => format!("{flag} {words}"),
            None => format!("{flag}: {words}"),
        }),
        other => other,
    }
}

/// What keeps an experiment within a limit.
fn within(limit: Limit) -> &'static str {
    match limit {
        Limit::WorkgroupMemory | Limit::StorageBinding | Limit::Loops => {
            "; lower `batch`, the shots or the model's size"
        }
        Limit::Invocations | Limit::WorkgroupSize | Limit::StorageBuffers | Limit::StorageTextures => {
            "; choose another --device"
        }
        Limit::Workgroups => "; lower `batch`",
        Limit::UniformBinding => "; lower the model's size",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_or_a_training_lacks_is_told_with_its_mend() {
        let limit = |limit| {
            let (kernel, device) = ("prompt_step".to_string(), "card".to_string());
            Error::Limit { kernel, limit, need: 2, have: 1, device }
        };
        let (phase, method) = ("finetune", "all".to_string());
        for (error, whole) in [
            (
                limit(Limit::Workgroups),
                "kernel `prompt_step` needs workgroups in a dimension >= 2, but card offers 1; lower `batch`",
            ),
            (
                Error::OutOfMemory { what: "buffer `rows`".into(), need: Some(9), have: Some(8) },
                "the device is out of memory (buffer `rows` of 9 bytes is over the device's 8); lower `batch`, the \
                 shots or the model's size; the last checkpoint is intact",
            ),
            (
                Error::Diverged { phase, method, step: 3, loss: f32::NAN, lr: 0.5, place: String::new() },
                "finetune `all`: the loss is NaN at step 3; lower the learning rate (now 0.5) or set a gradient clip; \
                 the last good checkpoint is intact",
            ),
            (
                Error::Device("lost".into()),
                "the device failed: lost; the last checkpoint is intact, go on with --resume",
            ),
            (Error::Usage("no such thing; use another".into()), "no such thing; use another"),
        ] {
            assert_eq!(format!("{error}{}", mend(&error)), whole);
        }
    }
    #[test]
    fn what_could_be_done_is_a_field_and_the_program_says_its_flags() {
        let error = Error::Usage("runs/a: holds a run already".into()).mend(Mend::GoOn);
        assert_eq!((error.kind(), error.exit_code()), (Kind::Usage, 2));
        assert_eq!(error.to_string(), "runs/a: holds a run already");
        assert_eq!(mend(&error), "; go on with it by --resume, or choose another --out");
        let error = Error::config("override seed=x", "no number").mend(Mend::Same);
        assert_eq!(told(&error), "--set seed=x: no number");
        assert_eq!(told(&Error::config("a.toml:3", "no number")), "a.toml:3: no number");
    }
}
