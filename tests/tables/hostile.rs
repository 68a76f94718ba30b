//! Whatever the bytes are, nothing panics, and what is accepted is sound.

use super::*;
use floe::tasks::baselines::{Baseline, errors};
use proptest::prelude::*;

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
