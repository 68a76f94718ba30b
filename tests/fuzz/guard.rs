//! What is held of every input: no panic, no hang, no more memory than it is worth, no raw control character, no file
//! left behind.

use crate::mutate::Dice;
use floe::escape;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts each thread's bytes.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A thread that is torn down has no counters any more.
fn count(bytes: isize) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Most bytes that reading takes at once.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let out = work();
    (out, (PEAK.get() - before) as usize)
}

/// Warnings are read on a terminal as errors are.
struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        let _ = SAID
            .try_with(|said| said.borrow_mut().push(escape::line(&record.args().to_string()).into_owned()));
    }

    fn flush(&self) {}
}

/// An input: files by name, in a directory of their own, and words of a command line.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub files: Vec<(&'static str, Vec<u8>)>,
    pub words: Vec<String>,
}

impl Input {
    pub fn file(name: &'static str, bytes: Vec<u8>) -> Self {
        Input { files: vec![(name, bytes)], words: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.files.iter().map(|f| f.1.len()).sum::<usize>()
            + self.words.iter().map(String::len).sum::<usize>()
    }

    /// So that it can be made again by hand.
    fn shown(&self) -> String {
        let files =
            self.files.iter().map(|(name, bytes)| format!("\n  {name}: b\"{}\"", bytes.escape_ascii()));
        files.collect::<String>() + &format!("\n  words: {:?}", self.words)
    }
}

/// One way into floe.
pub struct Reader<'a> {
    pub name: &'static str,
    /// Of a thousand inputs, how many are this reader's.
    pub share: u64,
    /// Bytes of memory that reading may take for each byte of the input, and for any input.
    pub memory: (usize, usize),
    pub make: &'a dyn Fn(&mut Dice) -> Input,
    /// Reads the input, whose files lie in the directory; what is wrong with it as the terminal would show it.
    pub read: &'a dyn Fn(&Path, &Input) -> Result<(), String>,
    /// Where in the directory reading may write.
    pub writes: &'a [&'a str],
}

/// An input is slow from here on, when it was so twice; and stuck far beyond.
const SLOW: Duration = Duration::from_secs(2);
const STUCK: Duration = Duration::from_secs(60);

impl Reader<'_> {
    /// Goes through this reader's share of `FLOE_FUZZ` inputs (of `FLOE_FUZZ_SEED`), or through `FLOE_FUZZ_ONLY`.
    ///
    /// # Panics
    /// With the input, its number and what it broke.
    pub fn run(&self) {
        let _ = log::set_logger(&Listener).map(|()| log::set_max_level(log::LevelFilter::Warn));
        let number = |name: &str| std::env::var(name).ok().map(|v| v.parse::<u64>().expect(name));
        let seed = number("FLOE_FUZZ_SEED").unwrap_or(0) as u32;
        let count = (number("FLOE_FUZZ").unwrap_or(DEFAULT) * self.share).div_ceil(1000);
        let only = number("FLOE_FUZZ_ONLY");
        let dir = tempfile::tempdir().expect("a directory");
        let watch = Watch::over(self.name);
        let (mut refused, mut most, began) = (0, 0, Instant::now());
        // Files as they lie there, which reading leaves as they are.
        let mut last: Vec<(&str, Vec<u8>)> = Vec::new();
        for i in only.map_or(0..count, |only| only..only + 1) {
            let input = (self.make)(&mut Dice::new(seed, self.name, i));
            let again = format!(
                "FLOE_FUZZ_SEED={seed} FLOE_FUZZ_ONLY={i} cargo test --release --test fuzz {}",
                self.name
            );
            let broken = |what: &str| -> ! { panic!("{what}\n{again}{}", input.shown()) };
            for (name, bytes) in input.files.iter().filter(|file| !last.contains(file)) {
                std::fs::write(dir.path().join(name), bytes).expect(name);
            }
            last.clone_from(&input.files);
            watch.begin(i);
            let mut took = Duration::MAX;
            for turn in 0..2 {
                let began = Instant::now();
                let (said, bytes) =
                    peak_of(|| catch_unwind(AssertUnwindSafe(|| (self.read)(dir.path(), &input))));
                took = took.min(began.elapsed());
                let Ok(said) = said else { broken("a panic") };
                if turn == 0 {
                    refused += u64::from(said.is_err());
                }
                most = most.max(bytes);
                let (each, any) = self.memory;
                if bytes > any + each * input.len() {
                    broken(&format!("{bytes} bytes of memory for {} of input", input.len()));
                }
                for text in said.err().into_iter().chain(SAID.take()) {
                    if let Some(c) = text.chars().find(|&c| raw(c)) {
                        broken(&format!("{:?} is raw in: {text:?}", c));
                    }
                }
                if took < SLOW {
                    break;
                }
            }
            watch.end();
            if took >= SLOW {
                broken(&format!("took {took:?}"));
            }
            // What is left behind stays, so that it need not be looked for each time.
            if (i % 32 == 0 || i + 1 == count || only.is_some())
                && let Some(left) = self.left(dir.path(), &input)
            {
                broken(&format!("{left} is left behind, by this or one of the 31 before"));
            }
        }
        if only.is_none() {
            assert!(refused > 0 && refused < count, "{}: {refused} of {count} refused", self.name);
            println!(
                "{}: {count} inputs, {refused} refused, at most {most} bytes of memory, {:.1?}",
                self.name,
                began.elapsed()
            );
        }
    }
}

impl Reader<'_> {
    /// A file in the directory that nobody put there.
    fn left(&self, dir: &Path, input: &Input) -> Option<String> {
        let known = |name: &String| {
            input.files.iter().any(|file| file.0 == name) || self.writes.contains(&name.as_str())
        };
        let names = std::fs::read_dir(dir).expect("the directory");
        let mut names = names.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
        names.find(|name| !known(name))
    }
}

/// Inputs of all readers together in a plain `cargo test`.
const DEFAULT: u64 = 10_000;

/// What a terminal would obey: controls, and those that turn the direction of text.
pub fn raw(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Ends the process when an input is stuck, with its number.
struct Watch {
    /// The input under way, from 1.
    number: Arc<AtomicU64>,
}

impl Watch {
    fn over(reader: &'static str) -> Self {
        let number = Arc::new(AtomicU64::new(0));
        let seen = Arc::downgrade(&number);
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            while let Some(now) = seen.upgrade().map(|n| n.load(Ordering::Relaxed)) {
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if now > 0 && since.elapsed() > STUCK {
                    eprintln!("input {} of `{reader}` hangs: FLOE_FUZZ_ONLY={}", now - 1, now - 1);
                    std::process::exit(101);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Watch { number }
    }

    fn begin(&self, input: u64) {
        self.number.store(input + 1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.number.store(0, Ordering::Relaxed);
    }
}
