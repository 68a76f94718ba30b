//! `floe bench --compiled`

use super::super::mend::of_flag;
use super::super::table;
use super::{Args, Written};
use crate::bench::compiled::{self, Report, Row};
use crate::compiler::Compiler;
use crate::error::{Error, Result};

pub fn run(args: &Args) -> Result<()> {
    let tuning = compiled::variant(args.device.variant.as_deref()).map_err(|e| of_flag("--variant", e))?;
    let compiler = Compiler::open(&args.device.adapter.device).map_err(|e| of_flag("--device", e))?;
    log::info!("{} ({})", compiler.name(), compiler.driver());
    let report = compiled::run(&compiler, &tuning, &args.only)?;
    Written { report: &report, text: text(&report), csv: csv(&report)? }.out(args)
}

/// Columns behind kernel and case.
const COLUMNS: [&str; 10] = [
    "workgroup",
    "subgroup",
    "registers",
    "spilled",
    "scratch",
    "lds",
    "waves",
    "instructions",
    "latency",
    "inverse_throughput",
];

fn cells(row: &Row) -> [Option<f64>; 10] {
    [
        Some(row.workgroup.into()),
        (row.subgroup > 0).then_some(row.subgroup.into()),
        row.registers,
        row.spilled,
        row.scratch,
        row.lds,
        row.waves,
        row.instructions,
        row.latency,
        row.inverse_throughput,
    ]
}

fn text(report: &Report) -> String {
    let head = COLUMNS.map(|c| c.replace("inverse_throughput", "inverse").to_string());
    let mut rows = vec![[&["kernel".to_string()], &head[..], &["compile ms".into(), "case".into()]].concat()];
    for row in &report.compiled {
        let shown = cells(row).map(|cell| cell.map_or("-".into(), |x| format!("{x:.0}")));
        rows.push(
            [
                std::slice::from_ref(&row.kernel),
                &shown[..],
                &[format!("{:.0}", row.compile_ms), row.case.clone()],
            ]
            .concat(),
        );
    }
    format!(
        "{}\ncompiled for {} ({}), variant `{}`; nothing ran. registers: of vectors, an invocation; spilled: those without\n\
         a place; scratch, lds: bytes; waves: subgroups on a SIMD at a time; latency and inverse throughput: the\n\
         compiler's estimates in cycles a subgroup, to compare two texts by, no times. What a driver doesn't tell is `-`.\n",
        table(&rows),
        report.adapter,
        report.driver,
        report.variant
    )
}

fn csv(report: &Report) -> Result<String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Error::Usage(e.to_string());
    out.write_record([&["variant", "kernel", "case"], &COLUMNS[..], &["compile_ms"]].concat())
        .map_err(failed)?;
    for row in &report.compiled {
        let mut record = vec![report.variant.clone(), row.kernel.clone(), row.case.clone()];
        record.extend(cells(row).map(|cell| cell.map_or(String::new(), |x| x.to_string())));
        record.push(row.compile_ms.to_string());
        out.write_record(&record).map_err(failed)?;
    }
    let bytes = out.into_inner().map_err(|e| Error::Usage(e.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
