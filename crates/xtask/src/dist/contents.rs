//! What the package brings: program, unit, manual, completions, documents; and what dpkg is told about it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::tree::Tree;
use super::{licences, output};

/// Everything that will be on the system.
pub fn place(tree: &Tree, root: &Path, program: &Path) -> anyhow::Result<()> {
    tree.program("usr/bin/comity", fs::read(program)?)?;
    output(Command::new("strip").args(["--strip-unneeded", "--remove-section=.comment"]).arg(installed(tree)))?;
    let read = |path: &str| fs::read(root.join(path)).with_context(|| path.to_owned());
    tree.file("lib/systemd/system/comity.service", read("deploy/systemd/comity.service")?)?;
    tree.file("usr/lib/sysusers.d/comity.conf", read("deploy/systemd/sysusers.conf")?)?;
    tree.folder("etc/comity")?;
    for (shell, place) in COMPLETIONS {
        tree.file(place, output(Command::new(program).args(["completions", shell]))?)?;
    }
    manual(tree, program)?;
    tree.file("usr/share/doc/comity/copyright", read("deploy/debian/copyright")?)?;
    tree.file("usr/share/doc/comity/README.Debian", read("deploy/debian/README.Debian")?)?;
    tree.compressed("usr/share/doc/comity/third-party-licences.gz", licences::of_dependencies(root)?)?;
    tree.compressed("usr/share/doc/comity/README.md.gz", read("README.md")?)?;
    tree.compressed("usr/share/doc/comity/CHANGELOG.md.gz", read("CHANGELOG.md")?)
}

/// Everything that dpkg reads.
pub fn describe(tree: &Tree, root: &Path, version: &str) -> anyhow::Result<()> {
    tree.compressed("usr/share/doc/comity/changelog.gz", changelog(root, version)?)?;
    let installed_bytes =
        tree.files()?.iter().map(|(_, path)| Ok(fs::metadata(path)?.len())).sum::<anyhow::Result<u64>>();
    let control = fs::read_to_string(root.join("deploy/debian/control"))?
        .replace("{version}", version)
        .replace("{architecture}", output(Command::new("dpkg").arg("--print-architecture"))?.trim())
        .replace("{installed_kib}", &installed_bytes?.div_ceil(1024).to_string())
        .replace("{libraries}", &libraries(tree, root)?);
    tree.file("DEBIAN/control", control)?;
    for script in ["postinst", "prerm", "postrm"] {
        tree.program(&format!("DEBIAN/{script}"), fs::read(root.join("deploy/debian").join(script))?)?;
    }
    tree.file("DEBIAN/md5sums", sums(tree)?)
}

/// Every page of the manual, compressed as Debian wants them.
fn manual(tree: &Tree, program: &Path) -> anyhow::Result<()> {
    let folder = tree.folder("usr/share/man/man1")?;
    output(Command::new(program).args(["man", "--directory"]).arg(&folder))?;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        tree.compressed(&format!("usr/share/man/man1/{name}.gz"), fs::read(entry.path())?)?;
        fs::remove_file(entry.path())?;
    }
    Ok(())
}

/// The libraries that the program is linked against, as the packages that have them in the versions it needs.
fn libraries(tree: &Tree, root: &Path) -> anyhow::Result<String> {
    let source = root.join("target/dist/source");
    fs::write(source.join("debian/control"), "Source: comity\n\nPackage: comity\nArchitecture: any\n")?;
    let mut shlibdeps = Command::new("dpkg-shlibdeps");
    let printed = output(shlibdeps.arg("-O").arg(installed(tree)).current_dir(&source))?;
    let depends = printed.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(depends.context("dpkg-shlibdeps found no libraries")?.to_owned())
}

fn installed(tree: &Tree) -> std::path::PathBuf {
    tree.path().join("usr/bin/comity")
}

fn sums(tree: &Tree) -> anyhow::Result<String> {
    let places = tree.files()?.into_iter().map(|(place, _)| place);
    output(Command::new("md5sum").args(places).current_dir(tree.path()))
}

/// Debian's form. The moment is that of the last commit, so that the same commit makes the same package.
fn changelog(root: &Path, version: &str) -> anyhow::Result<String> {
    let date = output(Command::new("git").args(["log", "-1", "--format=%cD"]).current_dir(root))?;
    let control = fs::read_to_string(root.join("deploy/debian/control"))?;
    let maintainer = control.lines().find_map(|line| line.strip_prefix("Maintainer: ")).context("no maintainer")?;
    Ok(format!(
        "comity ({version}) unstable; urgency=medium\n\n  * What is new: /usr/share/doc/comity/CHANGELOG.md.gz\n\n \
         -- {maintainer}  {date}"
    ))
}

const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/comity"),
    ("zsh", "usr/share/zsh/vendor-completions/_comity"),
    ("fish", "usr/share/fish/vendor_completions.d/comity.fish"),
];
