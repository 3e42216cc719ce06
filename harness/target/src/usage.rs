//! Processor time and memory of the processes that a run is about, as `/proc` has them (proc_pid_stat(5),
//! proc_pid_smaps(5)).
//!
//! A server is a process with all below it. What has ended counts as soon as its parent has waited for it, in the parent's
//! `cutime` and `cstime`; until then it is there itself. Parents are read before their children, so that nothing counts
//! twice: one that ends in between counts with the next reading. What a server used between its last reading and its being
//! killed is nobody's any more.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_model::bench::{Counted, Part, Reading, UsageRecord};
use procfs::{
    ProcError, ProcResult,
    process::{Process, SmapsRollup, Stat, all_processes_with_root},
};

/// Reads what parts use, each since it was first read.
#[derive(Debug)]
pub struct Gauge {
    proc: PathBuf,
    accounts: BTreeMap<Part, Account>,
}

/// What a part has used so far, in ticks.
#[derive(Debug)]
struct Account {
    root: Id,
    /// What its process had used when it was first read; nothing for one that was started later.
    base: u64,
    /// What those before it used, where it was started again.
    carried: u64,
    spent: u64,
}

/// A process as Linux tells it apart from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Id {
    pid: i32,
    started: u64,
}

/// A process and its parent.
struct Kin {
    id: Id,
    parent: i32,
}

/// What processes come to.
struct Sum {
    root: Id,
    ticks: u64,
    memory: u64,
    counted: Counted,
}

impl Default for Gauge {
    fn default() -> Self {
        Self::of(PathBuf::from("/proc"))
    }
}

impl Gauge {
    /// One that reads there.
    fn of(proc: PathBuf) -> Self {
        Self { proc, accounts: BTreeMap::new() }
    }

    /// Looks at each of these parts by the number of its first process. It blocks, for as long as the system takes to answer.
    ///
    /// A part that could be read and is not there any more has no record: it was ended, and may be started again.
    pub fn read(&mut self, parts: &[(Part, u32)]) -> Vec<UsageRecord> {
        let kin = parts.iter().any(|(part, _)| part.is_server()).then(|| self.kin());
        let read = |gauge: &mut Self, part: Part, pid: u32| {
            let kin = match kin.as_ref().filter(|_| part.is_server()) {
                Some(Ok(kin)) => Some(kin.as_slice()),
                Some(Err(error)) => return Some(not_measured(error)),
                None => None,
            };
            match gauge.sum(pid, kin) {
                Ok(Some(sum)) => Some(gauge.enter(part, &sum)),
                Ok(None) | Err(_) if gauge.accounts.contains_key(&part) => None,
                Ok(None) => Some(Reading::NotMeasured(format!("process {pid} is over"))),
                Err(error) => Some(not_measured(&error)),
            }
        };
        let records = parts.iter().filter_map(|(part, pid)| {
            let reading = read(self, *part, *pid)?;
            Some(UsageRecord { part: *part, reading })
        });
        records.collect()
    }

    /// What a process uses, alone or with all below it; nothing where it is over.
    fn sum(&self, pid: u32, kin: Option<&[Kin]>) -> ProcResult<Option<Sum>> {
        let (process, stat) = look(&self.proc.join(pid.to_string()))?;
        if is_over(&stat) {
            return Ok(None);
        }
        let root = id(&stat);
        let Some(kin) = kin else {
            let (ticks, memory) = (stat.utime.saturating_add(stat.stime), resident(&stat));
            return Ok(Some(Sum { root, ticks, memory, counted: Counted::Rss }));
        };
        let (mut ticks, mut rss, mut pss) = (0_u64, 0_u64, Some(0_u64));
        let mut family = vec![(process, stat)];
        while let Some((process, stat)) = family.pop() {
            ticks = ticks.saturating_add(with_waited_for(&stat));
            rss = rss.saturating_add(resident(&stat));
            pss = pss.zip(self.share(&process, &stat)).map(|(sum, share)| sum.saturating_add(share));
            let children = kin.iter().filter(|kin| kin.parent == stat.pid);
            let found = children.filter_map(|child| {
                let found = look(&self.proc.join(child.id.pid.to_string())).ok()?;
                // The number may have passed to another process.
                (id(&found.1) == child.id).then_some(found)
            });
            family.extend(found);
        }
        let (memory, counted) = pss.map_or((rss, Counted::Rss), |pss| (pss, Counted::Pss));
        Ok(Some(Sum { root, ticks, memory, counted }))
    }

    /// Its share of the memory that it has in common with others and all of its own; nothing where the system does not say.
    fn share(&self, process: &Process, stat: &Stat) -> Option<u64> {
        match process.smaps_rollup().ok().and_then(|SmapsRollup { memory_map_rollup }| {
            memory_map_rollup.into_iter().find_map(|map| map.extension.map.get("Pss").copied())
        }) {
            Some(share) => Some(share),
            // One that has ended meanwhile has none.
            None => {
                let now = look(&self.proc.join(stat.pid.to_string())).map(|(_, now)| now);
                (!now.is_ok_and(|now| id(&now) == id(stat) && !is_over(&now))).then_some(0)
            }
        }
    }

    /// Every process with its parent.
    fn kin(&self) -> ProcResult<Vec<Kin>> {
        let all = all_processes_with_root(&self.proc)?;
        // Most of them are nobody's here, and any may end meanwhile.
        let stats = all.filter_map(|process| process.ok()?.stat().ok());
        Ok(stats.map(|stat| Kin { id: id(&stat), parent: stat.ppid }).collect())
    }

    /// Puts what was read to what was read before.
    fn enter(&mut self, part: Part, sum: &Sum) -> Reading {
        let Sum { root, ticks, memory, counted } = *sum;
        let first = || Account { root, base: ticks, carried: 0, spent: 0 };
        let account = self.accounts.entry(part).or_insert_with(first);
        if account.root != root {
            *account = Account { root, base: 0, carried: account.spent, spent: account.spent };
        }
        let spent = account.carried.saturating_add(ticks.saturating_sub(account.base));
        // One that ended between its parent's reading and its own is missing this time.
        account.spent = account.spent.max(spent);
        Reading::Used { cpu_ns: nanoseconds(account.spent), memory, counted }
    }
}

fn look(folder: &Path) -> ProcResult<(Process, Stat)> {
    let process = Process::new_with_root(folder.to_owned())?;
    let stat = process.stat()?;
    Ok((process, stat))
}

fn not_measured(error: &ProcError) -> Reading {
    Reading::NotMeasured(format!("could not read it from the system: {error}"))
}

fn id(stat: &Stat) -> Id {
    Id { pid: stat.pid, started: stat.starttime }
}

/// Whether it only waits for its parent to notice.
fn is_over(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X')
}

/// Its ticks and those of all that it waited for.
fn with_waited_for(stat: &Stat) -> u64 {
    let waited = [stat.cutime, stat.cstime].map(|ticks| u64::try_from(ticks).unwrap_or_default());
    [stat.utime, stat.stime].into_iter().chain(waited).fold(0, u64::saturating_add)
}

fn resident(stat: &Stat) -> u64 {
    stat.rss.saturating_mul(procfs::page_size())
}

fn nanoseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000_000 / procfs::ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };

    use super::*;

    /// A folder like `/proc`.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn gauge(&self) -> Gauge {
            Gauge::of(self.0.path().to_owned())
        }

        /// A process, its parent, when it was started, its ticks and those that it waited for, and its pages.
        fn process(&self, (pid, parent, started): (i32, i32, u64), [own, waited]: [u64; 2], pages: u64) {
            let folder = self.0.path().join(pid.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            let stat = format!(
                "{pid} (a name) with) 1 2) S {parent} 1 1 0 -1 0 0 0 0 0 {own} 0 {waited} 0 20 0 1 0 {started} 1000 {pages} 0 0 0 0 \
                 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
            );
            std::fs::write(folder.join("stat"), stat).unwrap();
        }

        fn pss(&self, pid: i32, kilobytes: u64) {
            let text = format!(
                "55d0 - 7ffe ---p 00000000 00:00 0 [rollup]\nRss: 999999 kB\nPss: {kilobytes} kB\nPss_Dirty: 1 kB\n"
            )
            .replace("55d0 - 7ffe", "55d000000000-7ffe00000000");
            std::fs::write(self.0.path().join(pid.to_string()).join("smaps_rollup"), text).unwrap();
        }

        fn ends(&self, pid: i32) {
            std::fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
        }
    }

    fn used(records: &[UsageRecord]) -> (u64, u64, Counted) {
        match records {
            [UsageRecord { reading: Reading::Used { cpu_ns, memory, counted }, .. }] => {
                (cpu_ns / nanoseconds(1), *memory, *counted)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_child_counts_once_while_it_lives_and_once_it_was_waited_for() {
        let (fake, server) = (Fake::new(), [(Part::Postgres, 10)]);
        fake.process((10, 1, 5), [100, 40], 1);
        fake.process((11, 10, 6), [7, 0], 1);
        let mut gauge = fake.gauge();
        assert_eq!(used(&gauge.read(&server)).0, 0, "what was used before is nobody's");
        fake.process((10, 1, 5), [103, 40], 1);
        fake.process((11, 10, 6), [30, 0], 1);
        fake.process((12, 11, 7), [4, 0], 1);
        fake.process((99, 1, 7), [5_000, 0], 1);
        assert_eq!(used(&gauge.read(&server)).0, 3 + 23 + 4);
        // The child ends with 50, of which 4 are the grandchild's that it waited for.
        fake.ends(12);
        fake.ends(11);
        assert_eq!(used(&gauge.read(&server)).0, 30, "nothing goes back while nobody has waited for it");
        fake.process((10, 1, 5), [103, 40 + 50 + 4], 1);
        assert_eq!(used(&gauge.read(&server)).0, 3 + 50 + 4 - 7);
    }

    #[test]
    fn a_server_that_is_started_again_goes_on_from_what_it_had_and_is_not_there_in_between() {
        let (fake, mut gauge) = (Fake::new(), None);
        let gauge = gauge.get_or_insert_with(|| fake.gauge());
        let server = |pid| [(Part::Redis, pid)];
        let first = gauge.read(&server(10));
        assert!(matches!(&first[..], [UsageRecord { reading: Reading::NotMeasured(_), .. }]), "{first:?}");
        fake.process((10, 1, 5), [100, 0], 1);
        gauge.read(&server(10));
        fake.process((10, 1, 5), [120, 0], 1);
        assert_eq!(used(&gauge.read(&server(10))).0, 20);
        fake.ends(10);
        assert_eq!(gauge.read(&server(10)), []);
        // Even with the same number.
        fake.process((10, 1, 900), [3, 0], 1);
        assert_eq!(used(&gauge.read(&server(10))).0, 23);
    }

    #[test]
    fn memory_is_shared_out_where_the_system_says_so_of_every_process() {
        let (fake, server) = (Fake::new(), [(Part::Postgres, 10)]);
        fake.process((10, 1, 5), [0, 0], 100);
        fake.process((11, 10, 6), [0, 0], 100);
        let rss = 200 * procfs::page_size();
        assert_eq!(used(&fake.gauge().read(&server)), (0, rss, Counted::Rss));
        fake.pss(10, 30);
        assert_eq!(used(&fake.gauge().read(&server)), (0, rss, Counted::Rss));
        fake.pss(11, 12);
        assert_eq!(used(&fake.gauge().read(&server)), (0, 42 * 1024, Counted::Pss));
        // The harness's own process is one.
        assert_eq!(used(&fake.gauge().read(&[(Part::Client, 10)])), (0, rss / 2, Counted::Rss));
    }

    #[test]
    fn where_there_is_no_proc_it_says_so() {
        let records = Gauge::of(PathBuf::from("/nowhere")).read(&[(Part::Client, 1), (Part::S3, 1)]);
        assert_eq!(records.len(), 2);
        for record in records {
            assert!(matches!(&record.reading, Reading::NotMeasured(why) if !why.is_empty()), "{record:?}");
        }
    }

    #[test]
    fn what_a_real_child_used_that_is_over_is_its_parents() {
        // The inner shell works and ends, the outer one has waited for it when it speaks.
        let script = "echo on; read go; sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; echo over; read end";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut say, mut hear) = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()));
        let (mut gauge, parts, mut line) = (Gauge::default(), [(Part::Redis, shell.id())], String::new());
        hear.read_line(&mut line).unwrap();
        assert_eq!(used(&gauge.read(&parts)).0, 0);
        say.write_all(b"go\n").unwrap();
        hear.read_line(&mut line).unwrap();
        let (ticks, memory, _) = used(&gauge.read(&parts));
        assert!(ticks > 0 && memory > 0, "{ticks} ticks, {memory} bytes");
        drop(say);
        shell.wait().unwrap();
        assert_eq!(gauge.read(&parts), []);
    }
}
