use super::*;

#[test]
fn a_curve_of_any_length_keeps_its_ends_and_its_extremes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.jsonl");
    let mut text = String::new();
    for step in 0..300_000u64 {
        let loss = match step {
            123_456 => 1e6,
            200_001 => -5.0,
            _ => 1.0 + (step % 7) as f64,
        };
        text += &format!(
            "{{\"phase\":\"pretrain\",\"method\":\"pretrained\",\"step\":{step},\"loss\":{loss}}}\n"
        );
    }
    std::fs::write(&path, &text).unwrap();
    let curves = curves(&path).unwrap();
    let steps = &curves[0].steps;
    assert!(steps.len() <= MOST && steps.len() > MOST / 4, "{}", steps.len());
    assert_eq!((steps[0].step, steps[steps.len() - 1].step), (0, 299_999));
    assert!(steps.is_sorted_by_key(|loss| loss.step));
    for extreme in [1e6, -5.0] {
        assert!(steps.iter().any(|loss| loss.total == extreme), "{extreme}");
    }
    // The line of a mistake is told as before.
    std::fs::write(&path, "{\"phase\":\"pretrain\",\"method\":\"a\",\"step\":0}\n\n{\n").unwrap();
    assert!(super::curves(&path).unwrap_err().to_string().contains("line 3: "));
}
