//! A server's processor time and memory: of its process and of all that it started, as Linux tells them (proc(5)).

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// The process and its descendants.
pub fn members(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Some(parent) = parent(pid) {
            parents.push((pid, parent));
        }
    }
    let mut members = vec![root];
    let mut next = 0;
    while let Some(member) = members.get(next).copied() {
        members.extend(parents.iter().filter(|(_, parent)| *parent == member).map(|(pid, _)| *pid));
        next += 1;
    }
    members
}

fn parent(pid: u32) -> Option<u32> {
    // The name may have blanks and brackets in it.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Time on a core, of all threads; of those that have ended since, nothing.
///
/// # Errors
/// When the process is not there.
pub fn processor_time(root: u32) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for pid in members(root) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        nanoseconds +=
            tasks.into_iter().flatten().flatten().filter_map(|task| task_nanoseconds(&task.path())).sum::<u64>();
    }
    anyhow::ensure!(nanoseconds > 0, "the server has ended");
    Ok(Duration::from_nanos(nanoseconds))
}

/// Time on a core, of one thread of ours by its number.
///
/// # Errors
/// When the thread is not there.
pub fn thread_time(id: i32) -> anyhow::Result<Duration> {
    let nanoseconds = task_nanoseconds(Path::new(&format!("/proc/self/task/{id}")));
    nanoseconds.map(Duration::from_nanos).context("the thread has ended")
}

/// As user and as system; none of a task that has ended.
fn task_nanoseconds(task: &Path) -> Option<u64> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Bytes; what several processes share is counted once (their proportional shares).
///
/// # Errors
/// When the process is not there.
pub fn memory(root: u32) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for pid in members(root) {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("smaps_rollup without Pss")?;
        let kilobytes: u64 = line.split_whitespace().next().context("Pss without a figure")?.parse()?;
        bytes += kilobytes * 1024;
    }
    anyhow::ensure!(bytes > 0, "the server has ended");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_its_own_time() {
        let time = || thread_time(nix::unistd::gettid().as_raw()).expect("this thread");
        let begun = time();
        let fresh = std::thread::spawn(time).join().expect("no panic");
        while time() < begun + Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        assert!(fresh < Duration::from_millis(50), "{fresh:?}");
        assert!(thread_time(0).is_err());
    }

    #[test]
    fn we_have_used_time_and_memory() {
        let pid = std::process::id();
        assert!(processor_time(pid).expect("this process") > Duration::ZERO);
        assert!(memory(pid).expect("this process") > 1 << 20);
        assert_eq!(members(pid).first(), Some(&pid));
    }
}
