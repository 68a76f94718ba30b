fn main() {
    let engine = floe::gpu::open("auto").unwrap();
    let tuning = floe::kernels::Tuning::of(engine.adapter());
    for row in floe::check::all(&engine, &tuning).unwrap() {
        println!(
            "{:14} {:60} {:?} {}",
            row.kernel,
            row.case,
            row.distance.map(|d| (d.rms, d.max)),
            row.failure
        );
    }
}
