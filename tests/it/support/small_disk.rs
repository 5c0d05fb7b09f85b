//! A disk that is too small, or that nobody may write to: in a mount namespace of the process
//! under test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `program` with a fresh disk of `kib` KiB mounted on `folder`, seen by that process alone.
///
/// The process keeps its id through all of it, so that signals reach the program itself.
pub fn on_small_disk(folder: &Path, kib: u32, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(become_root()).args(["--mount", "sh", "-c"]);
    command.arg("mount -t tmpfs -o size=\"$1\"k tmpfs \"$2\" && shift 2 && exec \"$@\"");
    command
        .arg("sh")
        .arg(kib.to_string())
        .arg(folder)
        .arg(program);
    command
}

/// `program` with `folder` as a disk that nobody may write to, not even root.
pub fn on_read_only_disk(folder: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(become_root()).args(["--mount", "sh", "-c"]);
    command.arg(
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"",
    );
    command.arg("sh").arg(folder).arg(program);
    command
}

/// `program` with the disks that process `pid` sees.
pub fn inside(pid: u32, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    if !become_root().is_empty() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.args(["--mount", "--target"]);
    command.arg(pid.to_string()).arg(program);
    command
}

/// Only root may mount; everybody else is root in a user namespace of their own, which some
/// systems allow to nobody.
fn become_root() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &[]
    } else {
        &["--map-root-user"]
    }
}

/// `folder` as the process `pid` sees it.
pub fn seen_by(pid: u32, folder: &Path) -> PathBuf {
    let inside = folder.strip_prefix("/").unwrap();
    PathBuf::from(format!("/proc/{pid}/root")).join(inside)
}

/// Writes a file until nothing more fits; removing it makes room again.
pub fn fill(folder: &Path) -> PathBuf {
    use std::io::Write as _;
    let path = folder.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    path
}
