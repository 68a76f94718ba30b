//! Tables and covariances as people have them: what is taken, and what the rest is told. The cases in `tests/data/cases`
//! went wrong once.

use floe::config::{Config, Covariance, Decimal, Delimiter, Missing, Regression, Tables, Task};
use floe::tasks::Known;
use floe::tasks::tables::{TableData, load, parse};
use std::io::Write;
use std::path::{Path, PathBuf};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases").join(name)
}

fn of(name: &str) -> Tables {
    Tables { path: case(&format!("csv/{name}")), ..Tables::default() }
}

fn healthy() -> TableData {
    load(&of("base.csv"), 0, 6).expect("the healthy case")
}

/// The data without the file's name.
fn unnamed(cfg: &Tables) -> TableData {
    TableData { name: "base".into(), ..load(cfg, 0, 6).unwrap_or_else(|e| panic!("{e}")) }
}

/// What is wrong has every part in its one line.
#[track_caller]
fn told(outcome: floe::Result<TableData>, parts: &[&str]) {
    let message = outcome.expect_err("it is taken").to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn healthy_tables_in_other_clothes_are_the_same_table() {
    let want = healthy();
    assert_eq!(unnamed(&of("gz_multi.csv.gz")), want);
    assert_eq!(unnamed(&of("sep_line.csv")), want);
    assert_eq!(unnamed(&Tables { delimiter: Delimiter::Semicolon, ..of("semicolon.csv") }), want);
    let text = std::fs::read_to_string(case("csv/base.csv")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let read = |text: &[u8], cfg: Tables| {
        let path = dir.path().join("base.csv");
        std::fs::write(&path, text).unwrap();
        unnamed(&Tables { path, ..cfg })
    };
    for (delimiter, by) in [(Delimiter::Tab, "\t"), (Delimiter::Pipe, "|"), (Delimiter::Space, "   ")] {
        assert_eq!(
            read(text.replace(',', by).as_bytes(), Tables { delimiter, ..Tables::default() }),
            want,
            "{by:?}"
        );
    }
    let spaces = Tables { delimiter: Delimiter::Space, ..Tables::default() };
    assert_eq!(read(format!("  \n{}   \n", text.replace(',', " ")).as_bytes(), spaces), want);
    let plain = Tables::default;
    let german = text.replace(',', ";").replace('.', ",");
    let comma = || Tables { delimiter: Delimiter::Semicolon, decimal: Decimal::Comma, ..plain() };
    assert_eq!(read(german.as_bytes(), comma()), want);
    assert_eq!(
        read(format!("sep=;\r\n{german}").as_bytes(), Tables { delimiter: Delimiter::Comma, ..comma() }),
        want
    );
    assert_eq!(read(format!("\u{feff}\"sep=,\"\n{text}").as_bytes(), plain()), want);
    assert_eq!(read(format!("# made by hand\n#\n{text}# the end\n").as_bytes(), plain()), want);
    assert_eq!(read(text.replacen("task", "# task", 1).as_bytes(), plain()), want);
    assert_eq!(read(text.replace('\n', "\r").as_bytes(), plain()), want);
    // Gzip by what is in the file, not by its name.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    gzip.write_all(text.as_bytes()).unwrap();
    assert_eq!(read(&gzip.finish().unwrap(), plain()), want);
}

#[test]
fn a_name_may_have_a_line_end_in_it() {
    let data = load(&of("quoted_newline_name.csv"), 0, 6).unwrap();
    assert_eq!(data.columns, ["a b", "b"]);
    assert_eq!(data.rows, healthy().rows);
    let by_name = Tables { log1p: vec![], target_column: "a\nb".into(), ..of("quoted_newline_name.csv") };
    assert_eq!(load(&by_name, 0, 6).unwrap().target_column, "a b");
    // Lines are counted through it.
    let text = std::fs::read_to_string(case("csv/quoted_newline_name.csv")).unwrap();
    let bad = text.replacen("5.7126", "many", 1);
    told(
        parse(bad.as_bytes(), Path::new("t.csv"), &Tables::default(), 0, 6),
        &["t.csv, line 5, column `a b`"],
    );
}

#[test]
fn tables_that_cannot_be_read_are_told_the_cause_and_the_mend() {
    for (name, parts) in [
        ("semicolon.csv", &["semicolon.csv: line 1", "by `;`", "set task.delimiter = \";\""][..]),
        ("xlsx.csv", &["xlsx.csv: is a zip file (or an Excel file)", "CSV"]),
        (
            "case_tasks.csv",
            &["the tasks `DOWN` (line 183) and `down` (line 182)", "only in case", "rename one"],
        ),
        ("cell_na.csv", &["line 9, column `a`: the value is missing (`NA`)", "task.missing = \"drop\""]),
        ("unclosed_quote.csv", &["the quote that opens on line 9 is never closed", "close it"]),
        ("no_such.csv", &["no_such.csv: cannot be read", "`task.path`"]),
        ("bases.csv", &["did you mean ", "csv/base.csv"]),
        ("", &["is a directory", "`task.path`"]),
    ] {
        told(load(&of(name), 0, 6), parts);
    }
}

#[test]
fn a_value_too_large_is_named_in_every_part() {
    // Whichever part of the split the row is in.
    for seed in 0..12 {
        let outcome = load(&of("outlier.csv"), seed, 6);
        told(outcome, &["outlier.csv, line 9, column `a`: 1e30 is ", "mend the cell, remove the row"]);
    }
    for cell in ["1e300", "-1e30", "3e38", "1e12"] {
        let text = std::fs::read_to_string(case("csv/outlier.csv")).unwrap().replace("1e30", cell);
        for seed in 0..6 {
            told(
                parse(text.as_bytes(), Path::new("t.csv"), &Tables::default(), seed, 6),
                &["line 9, column `a`"],
            );
        }
    }
    // A column of many orders of magnitude is none of that.
    let rows = (0..90).map(|i| format!("t{},{},{}\n", i % 3, 10f64.powi(i % 8), f64::from(i) * 0.1));
    let text = "task,x,y\n".to_string() + &rows.collect::<String>();
    parse(text.as_bytes(), Path::new("t.csv"), &Tables::default(), 0, 6).unwrap();
}

#[test]
fn a_column_constant_to_rounding_is_named() {
    let table = |x: &dyn Fn(i32) -> f64| {
        let rows = (0..90).map(|i| format!("t{},{},{}\n", i % 3, x(i), f64::from(i) * 0.1));
        let text = "task,x,y\n".to_string() + &rows.collect::<String>();
        parse(text.as_bytes(), Path::new("t.csv"), &Tables::default(), 0, 6)
    };
    for x in [
        &(|i| if i % 2 == 0 { 0.3 } else { 0.1 + 0.2 }) as &dyn Fn(i32) -> f64,
        &|i| f64::from(0.1f32) + f64::from(i % 2) * 1e-9,
        &|i| 1e9 + f64::from(i % 2),
    ] {
        told(table(x), &["t.csv: the column `x` is ", "to rounding", "remove the column"]);
    }
    table(&|i| 1e5 + f64::from(i % 2)).unwrap();
    table(&|i| f64::from(i % 2) * 1e-30).unwrap();
}

#[test]
fn rows_with_gaps_can_be_left_out_and_are_counted() {
    let drop = Tables { missing: Missing::Drop, ..of("cell_na.csv") };
    let data = load(&drop, 0, 6).unwrap();
    assert_eq!((data.dropped.rows, data.dropped.by_column["a"], data.dropped.by_task["north"]), (1, 1, 1));
    assert!(
        data.description().ends_with("; 1 row dropped for a missing value (a: 1)"),
        "{}",
        data.description()
    );
    let text = std::fs::read_to_string(case("csv/base.csv")).unwrap();
    let without: String =
        text.lines().enumerate().filter(|(at, _)| *at != 8).map(|(_, l)| format!("{l}\n")).collect();
    let plain = parse(without.as_bytes(), Path::new("t.csv"), &Tables::default(), 0, 6).unwrap();
    assert_eq!(data.rows, plain.rows);

    let config = Config { task: Task::Tables(drop.clone()), ..small_shots() };
    let facts = floe::tasks::open(&config).unwrap().facts;
    assert_eq!((&facts["dropped_rows"], &facts["dropped_by_column"]["a"]), (&1.into(), &1.into()));
    let healthy = Config { task: Task::Tables(of("base.csv")), ..small_shots() };
    assert!(!floe::tasks::open(&healthy).unwrap().facts.contains_key("dropped_rows"));

    let parsed = |text: &str, rows| parse(text.as_bytes(), Path::new("t.csv"), &drop, 0, rows);
    for gap in ["", "NA", "N/A", "nan", "NaN", "null", "-", "?"] {
        let data = parsed(&text.replacen("4.3389", gap, 1), 6).unwrap();
        assert_eq!(data.dropped.rows, 1, "{gap:?}");
    }
    // A whole task, the same told; rows without a task; rows of delimiters alone.
    let gone =
        text.lines().map(|l| if l.starts_with("up,") { "up,NA,1,1\n".into() } else { format!("{l}\n") });
    let data = parsed(&(gone.collect::<String>() + ",1,2,3\n,,,\n"), 6).unwrap();
    assert_eq!((data.dropped.rows, data.dropped_tasks.as_slice()), (32, ["up".to_string()].as_slice()));
    assert!(data.description().contains("and with them the tasks `up`"));
    // What becomes too small is told why.
    told(parsed(&few_up(&text), 6), &["the task `up` has 4 rows (26 more have a value missing)", "takes 6"]);
    let target = Tables { target: "up".into(), ..drop.clone() };
    let too_few = parse(few_up(&text).as_bytes(), Path::new("t.csv"), &target, 0, 3);
    told(too_few, &["task.target: `up` has 4 rows (26 more have a value missing)"]);
    told(
        parsed("task,a,y\np,NA,1\nq,1,?\n", 2),
        &["a value missing in every row (a: 1, y: 1)", "task.features"],
    );
    let empty = parse(b"task,a,y\np,1,1\n,,\n", Path::new("t.csv"), &Tables::default(), 0, 2);
    told(empty, &["line 3", "the row is empty", "task.missing"]);
}

/// With a gap in all but four rows of the task `up`.
fn few_up(text: &str) -> String {
    let mut count = 0;
    let row = |line: &str| {
        count += i32::from(line.starts_with("up,"));
        if line.starts_with("up,") && count > 4 { "up,NA,1,1\n".into() } else { format!("{line}\n") }
    };
    text.lines().map(row).collect()
}

fn small_shots() -> Config {
    let mut config = Config::default();
    (config.pretrain.shots, config.finetune.shots, config.eval.shots) = (5, 5, 5);
    config
}

#[test]
fn columns_can_be_chosen_and_the_rest_holds_anything() {
    let text = "id,name,task,b,a,y\n".to_string()
        + &std::fs::read_to_string(case("csv/base.csv"))
            .unwrap()
            .lines()
            .skip(1)
            .enumerate()
            .map(|(i, line)| {
                let cells: Vec<&str> = line.split(',').collect();
                format!("#{i},caf\u{e9} {i},{},{},{},{}\n", cells[0], cells[2], cells[1], cells[3])
            })
            .collect::<String>();
    let with = |features: &[&str]| Tables {
        features: features.iter().map(|f| f.to_string()).collect(),
        ..Tables::default()
    };
    let read = |cfg: &Tables| parse(text.as_bytes(), Path::new("base.csv"), cfg, 0, 6);
    assert_eq!(read(&with(&["a", "b"])).unwrap(), healthy());
    assert_eq!(read(&with(&["b"])).unwrap().columns, ["b"]);
    // The target is the last column, or the one that is named.
    let named = Tables { target_column: "a".into(), ..with(&["y", "b"]) };
    let data = read(&named).unwrap();
    assert_eq!((data.columns, data.target_column), (vec!["y".to_string(), "b".into()], "a".to_string()));
    // Bytes that are no text too.
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    assert_eq!(parse(&latin, Path::new("base.csv"), &with(&["a", "b"]), 0, 6).unwrap(), healthy());
    told(read(&Tables::default()), &["line 2, column `id`: `#0` is not a number", "`task.features`"]);
    told(read(&with(&["A"])), &["task.features: `A` is not a column", "did you mean `a`?", "`id`"]);
    told(read(&with(&["y"])), &["task.features: `y` is the column to predict"]);
    told(read(&with(&["a", "a"])), &["task.features: `a` is there twice"]);
    told(read(&with(&["task"])), &["`task` is the column of the tasks"]);
}

#[test]
fn mistakes_in_a_table_are_told_with_their_line_and_mend() {
    let plain = Tables::default();
    let good = "task,a,y\np,1,2\np,2,3\np,3,1\nq,1,2\nq,2,5\nq,3,1\nr,1,2\nr,2,1\nr,3,4\n";
    let drop = Tables { missing: Missing::Drop, ..plain.clone() };
    let comma = Tables { decimal: Decimal::Comma, delimiter: Delimiter::Semicolon, ..plain.clone() };
    let pipe = Tables { delimiter: Delimiter::Pipe, ..plain.clone() };
    let q = |line: &str| good.replacen("q,1,2", line, 1);
    for (text, cfg, parts) in [
        // Delimiters and headers.
        (good.replace(',', "\t"), &plain, &["line 1", "by `\\t`", "task.delimiter = \"\\t\""][..]),
        (good.replace(',', "|"), &plain, &["by `|`", "task.delimiter = \"|\""]),
        (good.replace(',', " "), &plain, &["by ` `", "task.delimiter = \" \""]),
        (good.into(), &pipe, &["not separated by `|`", "by `,`", "task.delimiter = \",\""]),
        (
            good.replace("task,a", "Task,a"),
            &plain,
            &["task.task_column: `task` is not a column", "did you mean `Task`?"],
        ),
        (good.replacen("task,a,y\n", "", 1), &plain, &["has no header: line 1 holds numbers", "on top"]),
        ("\n\n".to_string() + &good.replacen("task,a,y\n", "", 1), &plain, &["has no header: line 3"]),
        (good.replace("task,a,y", "task,a,A"), &plain, &["the columns `a` and `A`", "only in case"]),
        (good.replace("task,a,y", "task,a,a\u{a0}"), &plain, &["two columns `a`"]),
        (good.replace("task,a,y", "task,é,e\u{301}"), &plain, &["differ only in Unicode form"]),
        ("sep=;\n".to_string() + good, &pipe, &["line 1 says that `;`", "`task.delimiter` is \"|\""]),
        ("sep=:\n".to_string() + good, &plain, &["line 1 says `sep=:`", "no delimiter"]),
        // Names of tasks.
        (
            q("new york,1,2\nnewyork,1,2"),
            &plain,
            &["`new york` (line 5)", "`newyork` (line 6)", "only in spaces"],
        ),
        (q("\"q\n1\",1,2"), &plain, &["the quote that opens on line 5 is closed only on line 6"]),
        (q(",1,2"), &plain, &["line 5, column `task`", "the row names no task"]),
        // Rows.
        (
            q("q,\"1,2\nq,2,5\nq,3\",1,1"),
            &plain,
            &["line 5 has 4 cells", "opens on line 5 is closed only on line 7"],
        ),
        (q("q,1"), &drop, &["line 5 has 2 cells, but the header has 3"]),
        (q("q,1,5,2"), &plain, &["line 5 has 4 cells", "stands in quotes"]),
        ("# one\n\n#two,2\n".to_string() + &q("q,1"), &plain, &["line 8 has 2 cells"]),
        // Two files, one behind the other.
        (good.to_string() + good, &plain, &["line 11, column `a`", "the header again", "remove the line"]),
        // Cells.
        (q("q,\"1,5\",2"), &plain, &["line 5, column `a`: `1,5`", "task.decimal = \",\""]),
        (q("q,\"1,234.5\",2"), &plain, &["`1,234.5`", "thousands separators"]),
        (q("q,$5,2"), &plain, &["currency sign"]),
        (q("q,5%,2"), &plain, &["percent sign"]),
        (q("q,2020-01-31,2"), &plain, &["a date or a time"]),
        (
            good.replace(',', ";").replace("q;1;2", "q;1.5;2"),
            &comma,
            &["line 5", "has a point", "task.decimal"],
        ),
        (good.replace(',', ";").replace("q;1;2", "q;1.234,5;2"), &comma, &["thousands", "1234,5"]),
    ] {
        told(parse(text.as_bytes(), Path::new("t.csv"), cfg, 0, 1), parts);
    }
    // The same files, mended.
    for (text, cfg) in
        [(good.to_string(), &plain), (good.replace(',', "|"), &pipe), (good.replace(',', ";"), &comma)]
    {
        parse(text.as_bytes(), Path::new("t.csv"), cfg, 0, 1).unwrap();
    }
}

/// The covariance that a case gives.
fn covariance(name: &str) -> Result<Vec<f64>, String> {
    let covariance = Covariance::File(case(&format!("covariance/{name}")));
    let task = Task::Regression(Regression { dim: 2, covariance, ..Regression::default() });
    match floe::tasks::open(&Config { task, ..Config::default() }).map(|p| p.known) {
        Ok(Known::Regression(truth)) => Ok(truth.covariance),
        Ok(other) => panic!("{other:?}"),
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn covariances_as_people_have_them() {
    assert_eq!(covariance("rank1.csv").unwrap(), [1.0; 4]);
    assert_eq!(covariance("savetxt.csv").unwrap(), [1.0, 0.5, 0.5, 1.0]);
    assert_eq!(covariance("ok.csv.gz").unwrap(), [1.0, 0.5, 0.5, 1.0]);
    let rounded = covariance("asymround.csv").unwrap();
    assert_eq!(rounded[1], rounded[2]);
    assert!((rounded[1] - 1.0 / 3.0).abs() < 1e-7);
    for (name, parts) in [
        (
            "big.csv",
            ["line 1, column `1`: 1e38 is too large for single precision", "scale the covariates down"],
        ),
        ("badcell_blank.csv", ["line 4, column `2`: `x` is no number", "0.5"]),
        ("ok.csv", ["cannot be read", "did you mean "]),
    ] {
        let message = covariance(name).unwrap_err();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn closed_forms_hold_where_the_covariance_has_no_inverse() {
    use floe::config::Theta;
    use floe::theory::{Setting, pretrained, risk, zs_value, zsfs_value};
    // The limit of covariances that have an inverse.
    let flat = Setting::new(2, 0.1, vec![1.0; 4]).unwrap();
    let near = Setting::new(2, 0.1, vec![1.0, 1.0 - 1e-7, 1.0 - 1e-7, 1.0]).unwrap();
    let theta = [0.6, 0.8];
    let head = pretrained(&flat, Theta::Sphere, 5);
    for optimum in
        [|s: &Setting, h, t: &[f64]| zs_value(s, h, t), |s: &Setting, h, t: &[f64]| zsfs_value(s, h, t, 5)]
    {
        let got = risk(&flat, &optimum(&flat, &head, &theta), &theta, &[0, 5]);
        let want = risk(&near, &optimum(&near, &head, &theta), &theta, &[0, 5]);
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "{got} for {want}");
        }
    }
}
