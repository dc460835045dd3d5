//! What this process uses of the machine, as Linux tells in /proc/self (proc(5)).

use std::fs;

/// The process at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Resources {
    pub open_files: u64,
    /// Beyond it, no connection can be accepted.
    pub open_files_max: u64,
    pub resident_memory_bytes: u64,
    /// Of all threads, in user and kernel mode.
    pub cpu_secs: f64,
}

impl Resources {
    /// May take some milliseconds where tens of thousands of connections are open. `None`: /proc cannot be read.
    pub(crate) fn of_this_program() -> Option<Resources> {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        // One of them is the folder that is being read.
        let open_files = (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1);
        Some(Resources {
            open_files,
            open_files_max: open_files_max(&read("limits")?)?,
            resident_memory_bytes: resident_memory_bytes(&read("status")?)?,
            cpu_secs: cpu_secs(&read("stat")?)?,
        })
    }
}

/// The soft limit; where there is none, the largest number.
fn open_files_max(limits: &str) -> Option<u64> {
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

fn resident_memory_bytes(status: &str) -> Option<u64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

/// Fields 14 and 15. The second is the program's name in brackets, which may have blanks and brackets in it.
fn cpu_secs(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map_while(|field| field.parse::<u64>().ok()).sum();
    Some(ticks as f64 / TICKS_PER_SECOND)
}

/// `USER_HZ`: the same on every architecture that we run on, whatever the kernel counts in itself.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_opened_are_counted() {
        let before = Resources::of_this_program().unwrap();
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        let after = Resources::of_this_program().unwrap();
        // Other tests of this process may open and close some too.
        assert!(after.open_files >= before.open_files + 40, "{before:?} {after:?}");
        assert!(after.open_files < after.open_files_max);
        assert!(after.resident_memory_bytes > 1 << 20 && after.cpu_secs >= before.cpu_secs);
        drop(files);
    }

    #[test]
    fn what_the_system_writes_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max open files            1024                 1048576              files\n";
        assert_eq!(open_files_max(limits), Some(1024));
        assert_eq!(open_files_max(&limits.replace("1024 ", "unlimited ")), Some(u64::MAX));
        assert_eq!(resident_memory_bytes("VmHWM:\t    9 kB\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(cpu_secs("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0"), Some(3.0));
    }
}
