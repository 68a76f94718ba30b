//! What a mistyped word, key or file name was probably meant to be.

use std::path::Path;
use strsim::osa_distance;

/// The candidate that a word was probably meant to be.
pub fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    // Candidates of a quite other length are far; names in a directory may be many.
    let possible = |c: &&&str| c.len().abs_diff(word.len()) <= length + 4;
    // Letters to insert, leave out, replace or swap with their neighbour.
    let far = |c: &str| osa_distance(&lower, &c.to_lowercase());
    let near = candidates.iter().filter(possible).map(|c| (far(c), *c)).min()?;
    (near.0 <= (length / 3).max(1) && near.0 < length).then_some(near.1)
}

/// What other programs call a key, and what floe calls it. The first of several that the place has counts.
const OTHERS: &[(&str, &str)] = &[
    ("name type kind algorithm optimizer optim method", "rule"),
    ("learning_rate learningrate lr0 eta alpha step_size", "lr"),
    ("lr_scheduler scheduler schedule lr_decay decay_schedule", "lr_schedule"),
    (
        "epochs epoch iterations iters num_steps n_steps max_steps nsteps updates total_steps train_steps",
        "steps",
    ),
    ("batch_size batchsize bs minibatch prompts_per_step", "batch"),
    ("beta beta1 beta2 adam_betas", "betas"),
    ("epsilon adam_eps adam_epsilon", "eps"),
    ("wd decay l2 weightdecay regularization", "weight_decay"),
    (
        "grad_clip gradient_clip clip_norm clip_grad max_norm max_grad_norm clip_grad_norm gradient_clipping",
        "clip",
    ),
    ("n_heads num_heads nheads n_head num_attention_heads", "heads"),
    ("n_layers num_layers nlayers n_layer depth num_hidden_layers", "layers"),
    ("init std initializer_range init_scale sigma_init", "init_std"),
    ("n_shots num_shots k n demonstrations examples context context_length n_context demos", "shots"),
    ("file filename file_name csv data data_path dataset table source", "path"),
    ("sep separator delim field_separator", "delimiter"),
    ("decimal_separator decimal_point dec decimal_mark", "decimal"),
    ("na na_values missing_values dropna drop_na drop_missing nan nulls fillna", "missing"),
    ("cols columns covariates feature feature_columns inputs x_columns usecols", "features"),
    ("y label target_col output outcome response predict y_column", "target_column"),
    ("group group_column task_col task_id id groupby group_by", "task_column"),
    ("log logs log_columns log_transform", "log1p"),
    ("test_size test_share test_fraction test_split", "target_test"),
    ("holdout held_out heldout_share val_share", "heldout"),
    ("d dims dimension dimensions n_dims num_features n_features input_dim width", "dim"),
    ("sigma2 noise_var noise_variance noise_std sigma", "noise"),
    ("cov sigma_x x_cov", "covariance"),
    ("pool_size n_pairs n_train train_size num_examples", "pool"),
    ("random_seed rng rng_seed random_state", "seed"),
    ("n_prompts num_prompts n_test test_prompts", "prompts"),
    ("n_seeds num_seeds repeats repetitions n_repeats", "seeds"),
    ("log_every log_interval logging_steps log_freq", "every"),
    ("save_every save_interval save_steps checkpoint_interval checkpoint_freq", "checkpoint_every"),
    ("params parameters trainable trainable_parameters mask tune targets target_modules", "train"),
    ("objective criterion loss_fn loss_type", "loss"),
    ("w_0 w0 fs_weight lambda coefficient", "weight"),
    ("optimiser optim opt", "optimizer"),
    ("training train fit pre_train pretraining pre_training", "pretrain"),
    ("fine_tune fine_tuning finetuning tuning tune", "finetune"),
    ("evaluation evaluate test validation", "eval"),
    ("data dataset problem", "task"),
    ("logging log output checkpoint checkpoints", "record"),
    ("architecture network transformer net", "model"),
    ("sweeps grid axes", "sweep"),
];

/// The keys that another program's word may stand for.
pub(crate) fn meant(word: &str) -> impl Iterator<Item = &'static str> {
    let word = word.to_lowercase().replace('-', "_");
    let is = move |(others, _): &&(&str, &str)| others.split(' ').any(|other| other == word);
    OTHERS.iter().filter(is).map(|(_, key)| *key)
}

/// Why a file is not found: its directory is not there, another name is near, or the path was not read as typed.
/// Nothing for other errors.
pub fn missing_file(path: &Path, error: &std::io::Error) -> Option<String> {
    let text = path.to_string_lossy();
    if text.chars().any(char::is_control) {
        let why = "in \"double quotes\" a backslash begins a special character";
        return Some(format!("the path has control characters in it ({why}); write it in 'single quotes'"));
    }
    if error.kind() != std::io::ErrorKind::NotFound {
        return None;
    }
    if path.components().any(|part| part.as_os_str().to_string_lossy().starts_with('~')) {
        return Some("`~` is not expanded in a path; write the directory out".into());
    }
    if path.components().any(|part| part.as_os_str().to_string_lossy().contains('$')) {
        return Some("variables are not expanded in a path; write it out".into());
    }
    if cfg!(not(windows)) && text.contains('\\') {
        return Some("directories are separated by `/` here, not by backslashes".into());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let there = parent.ancestors().find(|p| p.is_dir() && !p.as_os_str().is_empty());
        let lost =
            parent.ancestors().take_while(|p| Some(*p) != there && !p.as_os_str().is_empty()).last()?;
        return Some(format!("there is no directory {}", lost.display()));
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    let names: Vec<String> = std::fs::read_dir(parent)
        .ok()?
        .take(4096)
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    let same = || names.iter().find(|n| !stem(n).is_empty() && stem(n) == stem(&name)).copied();
    closest(&name, &names).or_else(same).map(|near| format!("did you mean {}", parent.join(near).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_programs_are_known() {
        assert_eq!(meant("learning_rate").collect::<Vec<_>>(), ["lr"]);
        assert_eq!(meant("batch-size").collect::<Vec<_>>(), ["batch"]);
        assert_eq!(meant("lr").count(), 0);
        assert_eq!(closest("ADAM", &["sgd", "adam", "adamw"]), Some("adam"));
        // A swap of neighbours is one slip, as leaving out a letter is.
        assert_eq!(closest("sahpe", &["shape", "steps"]), Some("shape"));
        assert_eq!(closest("stes", &["seed", "steps"]), Some("steps"));
        assert_eq!(closest("momentum", &["shape", "steps"]), None);
    }

    #[test]
    fn a_missing_file_is_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("rents.csv"), "").unwrap();
        let why = |name: &str| {
            let path = directory.path().join(name);
            let error = std::fs::read(&path).unwrap_err();
            missing_file(&path, &error).unwrap_or_default()
        };
        assert!(why("rent.csv").ends_with("rents.csv"), "{}", why("rent.csv"));
        assert!(why("rents.tsv").ends_with("rents.csv"));
        assert!(why("RENTS").ends_with("rents.csv"));
        assert_eq!(why("other"), "");
        assert!(
            why("no/such/rents.csv").starts_with("there is no directory") && why("no/such/x").ends_with("no")
        );
        assert!(why("~/rents.csv").contains("not expanded"));
        assert!(why("$HOME/rents.csv").contains("not expanded"));
        assert!(why("a\tb.csv").contains("single quotes"));
    }
}
