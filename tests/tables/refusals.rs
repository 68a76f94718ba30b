//! What is no table of tasks, and what is said of it.

use super::*;

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
