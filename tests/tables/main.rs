//! Tables from CSV: the split, the standardisation, every mistake in a file, and the reference predictors.

mod baselines;
mod hostile;
mod refusals;

use floe::config::{Decimal, Delimiter, Missing, Tables};
use floe::tasks::tables::{Group, TableData, load, parse};
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
