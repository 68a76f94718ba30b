//! Tables from CSV: the split, the standardisation, every mistake in a file, and the reference predictors.

use floe::config::{Decimal, Delimiter, Missing, Tables};
use floe::tasks::baselines::{Baseline, Predictors, errors};
use floe::tasks::tables::{Group, TableData, load, parse};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const GOOD: &str = "task,a,b,y\n\
    p,1,10,0.5\np,2,20,1\np,3,35,1.5\np,4,41,2\n\
    q,1.5,12,0.6\nq,2.5,19,1.2\nq,3.5,33,1.8\nq,4.5,47,2.2\n\
    r,1,11,0.4\nr,2,23,0.9\nr,3,31,1.7\nr,4,42,2.1\n";

fn table(text: &str, cfg: &Tables) -> floe::Result<TableData> {
    parse(text.as_bytes(), Path::new("data/rents.csv"), cfg, 1, 2)
}

/// The message for a table that must be refused.
#[track_caller]
fn refused(text: &str, cfg: &Tables) -> String {
    let message = table(text, cfg).expect_err("the table is taken").to_string();
    assert!(!message.contains('\n'), "not one line: {message}");
    message
}

/// GOOD with its line `line` (from 1) replaced.
fn with_line(line: usize, text: &str) -> String {
    let mut lines: Vec<&str> = GOOD.lines().collect();
    lines[line - 1] = text;
    lines.join("\n")
}

fn groups(data: &TableData) -> Vec<&Group> {
    data.pretrain.iter().chain(&data.heldout).chain([&data.target_train, &data.target_test]).collect()
}

fn log_diamonds() -> Tables {
    let log1p = ["carat", "x", "y", "z", "price"].map(String::from).to_vec();
    Tables { log1p, ..Tables::default() }
}

#[test]
fn the_shipped_table_is_split_and_standardised() {
    let data = load(&log_diamonds(), 0, 21).unwrap();
    assert_eq!(data.name, "diamonds");
    assert_eq!(data.columns, ["carat", "depth", "table", "x", "y", "z"]);
    assert_eq!((data.target_column.as_str(), data.dim), ("price", 6));
    assert_eq!(data.rows.len(), 20_324 * 7);
    assert_eq!((data.heldout.len(), data.pretrain.len()), (56, 128));
    assert_eq!(data.target_train.name, data.target_test.name);
    let names: BTreeSet<&str> = groups(&data).iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names.len(), 185);
    let mut next = 0;
    for group in groups(&data) {
        assert_eq!(group.start, next, "{} leaves a gap", group.name);
        assert!(group.len >= 21);
        next += group.len;
    }
    assert_eq!(next, 20_324);
    for column in 0..7 {
        let rows = data.pretrain.iter().map(|g| g.len as usize).sum::<usize>();
        let values = || (0..rows).map(|r| f64::from(data.rows[r * 7 + column]));
        let mean = values().sum::<f64>() / rows as f64;
        let square = values().map(|x| x * x).sum::<f64>() / rows as f64;
        assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-5, "column {column}: {mean}, {square}");
    }
    assert!(data.description().starts_with("diamonds: 128 tasks to pre-train on, 56 held out, "));
}

#[test]
fn the_split_follows_the_seed_alone() {
    let cfg = Tables::default();
    assert_eq!(load(&cfg, 5, 21).unwrap(), load(&cfg, 5, 21).unwrap());
    let targets: BTreeSet<String> =
        (0..8).map(|seed| load(&cfg, seed, 21).unwrap().target_train.name).collect();
    assert!(targets.len() > 4, "{targets:?}");

    // The order of the tasks in the file does not matter.
    let mut lines: Vec<&str> = GOOD.lines().collect();
    lines[1..].rotate_left(4);
    assert_eq!(
        table(&lines.join("\n"), &Tables::default()).unwrap(),
        table(GOOD, &Tables::default()).unwrap()
    );
}

#[test]
fn rows_can_be_traced_back_to_the_file() {
    let cfg = Tables {
        target: "q".into(),
        target_column: "a".into(),
        log1p: vec!["b".into()],
        ..Tables::default()
    };
    let data = table(GOOD, &cfg).unwrap();
    assert_eq!(
        (data.columns.as_slice(), data.target_column.as_str()),
        (["b".into(), "y".into()].as_slice(), "a")
    );
    for group in groups(&data) {
        for id in group.start..group.start + group.len {
            let (x, y) = data.row(id);
            let back = |at: usize, z: f32| f64::from(z) * data.std[at] + data.mean[at];
            let found = GOOD.lines().skip(1).any(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                let number = |at: usize| cells[at].parse::<f64>().unwrap();
                cells[0] == group.name
                    && (number(1) - back(2, y)).abs() < 1e-5
                    && (number(2).ln_1p() - back(0, x[0])).abs() < 1e-5
                    && (number(3) - back(1, x[1])).abs() < 1e-5
            });
            assert!(found, "row {id} of {} is in no line", group.name);
        }
    }
    assert_eq!((data.target_train.name.as_str(), data.target_train.len, data.target_test.len), ("q", 2, 2));
}

#[test]
fn target_rows_are_shuffled_and_shared_out() {
    let with = |target_test, needed| {
        let cfg = Tables { target_test, ..Tables::default() };
        let data = load(&cfg, 2, needed).unwrap();
        (data.target_test.len, data.target_train.len)
    };
    let (half, rest) = with(0.5, 5);
    assert!(half.abs_diff(rest) <= 1);
    let (quarter, rest) = with(0.25, 5);
    assert!(quarter.abs_diff((quarter + rest) / 4) <= 1);
    assert_eq!(with(0.0, 5).0, 5);
    assert_eq!(with(0.99, 5).1, 5);
    // Rows in file order are sorted by price, which a prompt must not see.
    let data = load(&Tables::default(), 3, 21).unwrap();
    let group = &data.target_train;
    let ups = (group.start + 1..group.start + group.len).filter(|id| data.row(*id).1 > data.row(id - 1).1);
    assert!(ups.count() < group.len as usize * 3 / 4);
}

#[test]
fn other_line_ends_quotes_marks_and_gzip_read_the_same() {
    let want = table(GOOD, &Tables::default()).unwrap();
    for text in [
        GOOD.replace('\n', "\r\n"),
        GOOD.replace('\n', "\n\n"),
        format!("\u{feff}{GOOD}"),
        GOOD.replace("p,1,", "\"p\", 1 ,"),
        GOOD.replace('\n', "\r"),
    ] {
        assert_eq!(table(&text, &Tables::default()).unwrap(), want, "{text:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rents.csv.gz");
    let mut file = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), Default::default());
    std::io::Write::write_all(&mut file, GOOD.as_bytes()).unwrap();
    file.finish().unwrap();
    assert_eq!(load(&Tables { path, ..Tables::default() }, 1, 2).unwrap(), want);
    let damaged = parse(&[0x1f, 0x8b, 8, 0, 1], Path::new("x.gz"), &Tables::default(), 1, 2).unwrap_err();
    assert!(damaged.to_string().starts_with("x.gz: is a damaged gzip file"), "{damaged}");
}

#[test]
fn a_missing_file_is_named() {
    let path = PathBuf::from("no/such/table.csv");
    let message = load(&Tables { path, ..Tables::default() }, 0, 2).unwrap_err().to_string();
    assert!(message.starts_with("no/such/table.csv: cannot be read ("), "{message}");
    assert!(message.ends_with("`task.path` must name a CSV file"), "{message}");
}

#[test]
fn a_file_without_rows_is_refused() {
    let cfg = Tables::default();
    assert_eq!(refused("", &cfg), "data/rents.csv: is empty; it needs a header line and rows");
    assert_eq!(refused("task,a,y\n", &cfg), "data/rents.csv: has a header but no rows; add rows below it");
}

#[test]
fn a_bad_header_is_refused() {
    let cfg = Tables::default();
    assert_eq!(
        refused("city,a,y\np,1,2\n", &cfg),
        "task.task_column: `task` is not a column of data/rents.csv; its columns are `city`, `a`, `y`"
    );
    let with = |target: &str, log1p: &str| Tables {
        target_column: target.into(),
        log1p: if log1p.is_empty() { vec![] } else { vec![log1p.into()] },
        ..Tables::default()
    };
    assert_eq!(
        refused(GOOD, &with("price", "")),
        "task.target_column: `price` is not a column of data/rents.csv; its columns are `task`, `a`, `b`, `y`"
    );
    assert!(refused(GOOD, &with("task", "")).contains("is the column of the tasks"));
    assert_eq!(
        refused(GOOD, &with("", "c")),
        "task.log1p: `c` is not a column of data/rents.csv; its columns are `task`, `a`, `b`, `y`"
    );
    assert!(refused(GOOD, &with("", "task")).contains("is the column of the tasks"));
    assert!(refused("task,y\np,1\n", &cfg).contains("needs a task, one feature or more, and a target"));
    assert!(refused(&with_line(1, "task,a,a,y"), &cfg).contains("has two columns `a`; rename one"));
    assert!(refused(&with_line(1, "task,,b,y"), &cfg).contains("column 2 of the header has no name"));
}

#[test]
fn a_bad_cell_is_named_by_line_and_column() {
    let cfg = Tables::default();
    let at = "data/rents.csv, line 7, column `b`: ";
    let drop = "or set task.missing = \"drop\" to leave such rows out";
    let gap = |shown: &str| format!("the value is missing{shown}; fill it in or remove the row, {drop}");
    for (cell, what) in [
        (
            "many",
            "`many` is not a number; write it like 1234.5, or name the columns to use in `task.features` if this one holds \
             text"
                .to_string(),
        ),
        ("", gap("")),
        ("NA", gap(" (`NA`)")),
        ("NaN", gap(" (`NaN`)")),
        ("inf", "`inf` is not finite; remove the row".into()),
        ("-Infinity", "`-Infinity` is not finite; remove the row".into()),
        ("1e999", "`1e999` is not finite; remove the row".into()),
    ] {
        assert_eq!(refused(&with_line(7, &format!("q,2.5,{cell},1.2")), &cfg), format!("{at}{what}"));
    }
    let log = Tables { log1p: vec!["b".into()], ..Tables::default() };
    let want = format!("{at}log(1 + -1) does not exist; take the column out of `task.log1p`");
    assert_eq!(refused(&with_line(7, "q,2.5,-1,1.2"), &log), want);
    let want =
        "data/rents.csv, line 7, column `task`: the row names no task; fill the cell or remove the row";
    assert_eq!(refused(&with_line(7, ",2.5,19,1.2"), &cfg), want);
}

#[test]
fn lines_are_counted_through_blank_lines_and_carriage_returns() {
    let cfg = Tables::default();
    let bad = with_line(7, "q,2.5,x,1.2");
    assert!(refused(&bad.replace('\n', "\r\n"), &cfg).contains("line 7,"));
    assert!(refused(&bad.replace('\n', "\r"), &cfg).contains("line 7,"));
    assert!(refused(&bad.replace('\n', "\n\n"), &cfg).contains("line 13,"));
}

#[test]
fn a_ragged_row_is_refused() {
    for (row, cells, mend) in [
        ("q,2.5,19", 3, "give every row one cell a column"),
        (
            "q,2.5,19,1.2,7",
            5,
            "give every row one cell a column (what has a comma in it stands in quotes; a first cell that names the row \
             needs a name in the header)",
        ),
        ("q,2.5,19,1.2,", 5, "take the delimiter at its end away"),
    ] {
        let want = format!("data/rents.csv: line 7 has {cells} cells, but the header has 4; {mend}");
        assert_eq!(refused(&with_line(7, row), &Tables::default()), want);
    }
}

#[test]
fn invalid_utf8_is_refused_where_it_stands() {
    let refused = |from: &str, to: &[u8]| {
        let at = GOOD.find(from).unwrap();
        let bytes = [&GOOD.as_bytes()[..at], to, &GOOD.as_bytes()[at + from.len()..]].concat();
        parse(&bytes, Path::new("t.csv"), &Tables::default(), 1, 2).unwrap_err().to_string()
    };
    let cell = |place: &str, byte: &str| {
        format!(
            "t.csv, {place}: is not UTF-8 (byte {byte}; Latin-1 or Windows-1252?); save the file as UTF-8"
        )
    };
    assert_eq!(refused("q,1.5", b"q\xff,1.5"), cell("line 6, column `task`", "0xff"));
    assert_eq!(refused("33", b"3\xc3"), cell("line 8, column `b`", "0xc3"));
    assert_eq!(
        refused("a,b", b"a,\xb5"),
        "t.csv: column 3 of the header (line 1) is not UTF-8 (byte 0xb5; Latin-1?); save the file as UTF-8"
    );
}

#[test]
fn too_few_tasks_or_rows_are_refused() {
    let cfg = Tables::default();
    let one = GOOD.replace("\nq,", "\np,").replace("\nr,", "\np,");
    assert!(refused(&one, &cfg).contains("has too few tasks in `task` (`p`)"));
    assert!(refused(&GOOD.replace("\nr,", "\np,"), &cfg).contains("has too few tasks in `task` (`p`, `q`)"));

    let short = parse(GOOD.as_bytes(), Path::new("t.csv"), &cfg, 1, 5).unwrap_err().to_string();
    let mend = "lower the shots or set `task.replacement = true`";
    assert_eq!(short, format!("t.csv: the task `p` has 4 rows, but a prompt takes 5; {mend}"));
    let target = parse(GOOD.as_bytes(), Path::new("t.csv"), &cfg, 1, 3).unwrap_err().to_string();
    assert!(target.contains("the largest task has 4 rows, but the one to fine-tune on needs 6"), "{target}");
    let named = Tables { target: "q".into(), ..Tables::default() };
    let target = parse(GOOD.as_bytes(), Path::new("t.csv"), &named, 1, 3).unwrap_err().to_string();
    assert!(target.starts_with("task.target: `q` has 4 rows in t.csv"), "{target}");

    let again = Tables { replacement: true, ..Tables::default() };
    let data = parse(GOOD.as_bytes(), Path::new("t.csv"), &again, 1, 50).unwrap();
    assert_eq!((data.target_train.len, data.target_test.len), (2, 2));
}

#[test]
fn an_unknown_target_task_lists_the_tasks() {
    let named = Tables { target: "z".into(), ..Tables::default() };
    let want = "task.target: `z` is not a task of data/rents.csv; its tasks are `p`, `q`, `r`";
    assert_eq!(refused(GOOD, &named), want);
    let message = load(&named, 0, 21).unwrap_err().to_string();
    assert!(message.ends_with(" and 165 more"), "{message}");
}

#[test]
fn a_constant_column_is_named() {
    let flat: String = GOOD
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let b = if cells[0] == "task" { "b" } else { "0.1" };
            format!("{},{},{b},{}\n", cells[0], cells[1], cells[3])
        })
        .collect();
    let want = "data/rents.csv: the column `b` is always 0.1 in the tasks to pre-train on; remove the column";
    assert_eq!(refused(&flat, &Tables::default()), want);
}

#[test]
fn values_beyond_single_precision_are_refused() {
    let cfg = Tables { target: "q".into(), ..Tables::default() };
    let message = refused(&with_line(7, "q,2.5,1e200,1.2"), &cfg);
    assert!(message.starts_with("data/rents.csv, line 7, column `b`: 1e200 is "), "{message}");
    let both = GOOD.replace(",10,", ",1e308,").replace(",11,", ",1e308,");
    assert!(refused(&both, &cfg).contains("column `b`: 1e308 is too large to standardise"));
}

#[test]
fn shares_outside_their_range_are_refused() {
    for bad in [-0.1, 1.0, f64::NAN] {
        let cfg = Tables { heldout: bad, ..Tables::default() };
        assert!(refused(GOOD, &cfg).starts_with("task.heldout: is "));
        let cfg = Tables { target_test: bad, ..Tables::default() };
        assert!(refused(GOOD, &cfg).starts_with("task.target_test: is "));
    }
}

/// What every accepted table keeps to.
fn check_accepted(data: &TableData) {
    assert_eq!(data.rows.len() % (data.dim + 1), 0);
    assert!(data.rows.iter().all(|x| x.is_finite()));
    let rows: u32 = groups(data).iter().map(|g| g.len).sum();
    assert_eq!(rows as usize, data.rows.len() / (data.dim + 1));
    assert!(!data.pretrain.is_empty() && !data.heldout.is_empty());
    let Baseline { mean, .. } = &errors(data, &[vec![0; 3]], 2).unwrap()[3];
    assert_eq!(mean.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b" ,;\t|\"#.0123\n\r=".to_vec())], 0..300),
        replacement: bool,
        delimiter in prop::sample::select(Delimiter::ALL.to_vec()),
        (decimal, missing) in prop::sample::select(vec![(Decimal::Point, Missing::Error), (Decimal::Comma, Missing::Drop)]),
    ) {
        let cfg = Tables { replacement, delimiter, decimal, missing, ..Tables::default() };
        let header = "task,a,y\n".replace(',', std::str::from_utf8(&[delimiter.byte()]).unwrap());
        let with_header = [header.as_bytes(), &bytes].concat();
        for text in [&bytes, &with_header] {
            if let Ok(data) = parse(text, Path::new("t.csv"), &cfg, 1, 2) {
                check_accepted(&data);
            }
        }
    }

    #[test]
    fn no_table_makes_it_panic(
        rows in prop::collection::vec(("[a-d]", "-?[0-9]{1,3}(\\.[0-9])?(e-?[0-9])?", "[0-9]{1,3}(e[0-9]{2})?"), 8..40),
        seed: u64,
        needed in 0usize..4,
        replacement: bool,
    ) {
        let cfg = Tables { replacement, ..Tables::default() };
        let body: String = rows.iter().enumerate().map(|(i, r)| format!("{},{},{i}{}\n", r.0, r.1, r.2)).collect();
        if let Ok(data) = parse(format!("task,a,y\n{body}").as_bytes(), Path::new("t.csv"), &cfg, seed, needed) {
            check_accepted(&data);
        }
    }
}

/// Prompts of a query and `shots` demonstrations from the held-out tasks, rows without replacement.
fn heldout_prompts(data: &TableData, count: usize, shots: u32) -> Vec<Vec<u32>> {
    let mut state = 88_172_645_463_325_252u64;
    let mut below = |n: u32| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32 % n
    };
    let mut prompt = |at: usize| {
        let group = &data.heldout[at % data.heldout.len()];
        let mut rows: Vec<u32> = (group.start..group.start + group.len).collect();
        for i in 0..=shots {
            rows.swap(i as usize, (i + below(group.len - i)) as usize);
        }
        rows.truncate(shots as usize + 1);
        rows
    };
    (0..count).map(&mut prompt).collect()
}

fn of<'a>(all: &'a [Baseline], name: &str) -> &'a Baseline {
    all.iter().find(|b| b.name == name).unwrap()
}

#[test]
fn baselines_match_the_measured_table() {
    let splits = 8;
    let mut sums = [0.0; 6];
    for seed in 0..splits {
        let data = load(&log_diamonds(), seed, 33).unwrap();
        let prompts = heldout_prompts(&data, 3000, 32);
        let targets = || prompts.iter().map(|p| f64::from(data.row(p[0]).1));
        let mean = targets().sum::<f64>() / 3000.0;
        let variance = targets().map(|y| (y - mean).powi(2)).sum::<f64>() / 3000.0;
        let all = errors(&data, &prompts, 32).unwrap();
        let at = |name, n: usize| of(&all, name).mean[n] / variance;
        let got = [
            at("pooled", 0),
            at("mean", 24),
            at("ridge", 8),
            at("ridge", 32),
            at("ridge+prior", 8),
            at("ridge+prior", 32),
        ];
        for (sum, x) in sums.iter_mut().zip(got) {
            *sum += x / splits as f64;
        }
        assert_eq!(of(&all, "pooled").mean[0], of(&all, "pooled").mean[32]);
        assert_eq!(of(&all, "ridge+prior").mean[0], of(&all, "pooled").mean[0]);
        assert_eq!(of(&all, "ridge").mean[0], of(&all, "mean").mean[0]);
    }
    // Measured apart over ten splits; single splits of `pooled` spread by 0.010.
    for (got, (want, within)) in sums.into_iter().zip([
        (0.082, 0.012),
        (0.881, 0.06),
        (0.032, 0.006),
        (0.015, 0.003),
        (0.029, 0.005),
        (0.016, 0.003),
    ]) {
        assert!((got - want).abs() < within, "{got} for {want}: {sums:?}");
    }
}

#[test]
fn noiseless_linear_tasks_are_solved_by_ridge() {
    // Eight tasks y = w x + 1 with their own w: pooled cannot know it, two demonstrations show it.
    let mut text = String::from("task,x,y\n");
    for task in 0..8 {
        for i in 0..12 {
            let x = f64::from((i * 7 + task * 3) % 12) / 4.0 - 1.4;
            text += &format!("t{task},{x},{}\n", f64::from(task - 4) * x + 1.0);
        }
    }
    let data = parse(text.as_bytes(), Path::new("t.csv"), &Tables::default(), 3, 6).unwrap();
    let all = errors(&data, &heldout_prompts(&data, 400, 5), 5).unwrap();
    for name in ["ridge", "ridge+prior"] {
        assert!(of(&all, name).mean[5] < 1e-4, "{:?}", of(&all, name));
    }
    assert!(of(&all, "pooled").mean[5] > 0.1);
    assert!(all.iter().all(|b| b.stderr.len() == 6 && b.stderr.iter().all(|s| s.is_some_and(|s| s >= 0.0))));
}

#[test]
fn predictions_follow_their_definitions() {
    let data = load(&log_diamonds(), 1, 21).unwrap();
    let prompts = heldout_prompts(&data, 50, 4);
    let all = Predictors::fit(&data, 4).unwrap().errors(&data, prompts.iter().cloned()).unwrap();
    for n in 1..=4 {
        let error = |p: &Vec<u32>| {
            let mean = p[1..=n].iter().map(|id| f64::from(data.row(*id).1)).sum::<f64>() / n as f64;
            (mean - f64::from(data.row(p[0]).1)).powi(2)
        };
        let errors: Vec<f64> = prompts.iter().map(error).collect();
        let mean = errors.iter().sum::<f64>() / 50.0;
        let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 49.0;
        assert!((of(&all, "mean").mean[n] - mean).abs() < 1e-10);
        assert!((of(&all, "mean").stderr[n].unwrap() - (variance / 50.0).sqrt()).abs() < 1e-10);
    }
}

#[test]
fn only_pretraining_rows_choose_the_predictors() {
    let mut data = load(&log_diamonds(), 4, 21).unwrap();
    let fitted = Predictors::fit(&data, 6).unwrap();
    let width = data.dim + 1;
    let kept = data.pretrain.iter().map(|g| g.len as usize).sum::<usize>() * width;
    data.rows[kept..].fill(1e6);
    assert_eq!(Predictors::fit(&data, 6).unwrap(), fitted);
    data.rows[..width].fill(30.0);
    assert_ne!(Predictors::fit(&data, 6).unwrap(), fitted);
}
