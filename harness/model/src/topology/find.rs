//! Which folder is the project: one rule for the topology that applies there and for the stand-ins that belong to it.
//!
//! As cargo looks for its manifest, so this looks for the topology: in a folder, then in each of those above. What is
//! in the file is for `parse.rs`.

use std::path::{Path, PathBuf};

use super::Topology;

impl Topology {
    /// The project that this folder is in: the nearest folder upwards that holds a topology, or where none does the
    /// nearest that holds a repository, or else the folder itself.
    pub fn project(here: &Path) -> PathBuf {
        let nearest = |mark| here.ancestors().find(|folder| is_there(&folder.join(mark)));
        nearest(Self::FILE).or_else(|| nearest(".git")).unwrap_or(here).to_owned()
    }

    /// The file that declares the topology of the project that this folder is in, if there is one.
    pub fn file_near(here: &Path) -> Option<PathBuf> {
        Some(Self::project(here).join(Self::FILE)).filter(|file| is_there(file))
    }
}

/// A link that leads nowhere is there too: it is refused as unreadable rather than passed over in silence.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_topology_upwards_makes_the_project_and_else_a_repository_does() {
        let top = tempfile::tempdir().unwrap();
        let [one, inner, two, bare] = ["one", "one/inner", "two", "bare"].map(|name| top.path().join(name));
        for folder in [inner.join("deep/er"), one.join("vendored/.git"), two.join(".git"), two.join("src")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::create_dir(&bare).unwrap();
        for project in [&one, &inner] {
            fs::write(project.join(Topology::FILE), "").unwrap();
        }
        assert_eq!(Topology::project(&one), one);
        assert_eq!(Topology::project(&inner.join("deep/er")), inner);
        assert_eq!(Topology::file_near(&inner.join("deep/er")), Some(inner.join(Topology::FILE)));
        // What decides about the servers' slices decides about who shares them.
        assert_eq!(Topology::project(&one.join("vendored")), one);
        assert_eq!(Topology::file_near(&one.join("vendored")), Some(one.join(Topology::FILE)));
        assert_eq!(Topology::project(&two.join("src")), two);
        assert_eq!(Topology::project(&bare), bare);
        assert_eq!([&two.join("src"), &bare].map(|folder| Topology::file_near(folder)), [None, None]);
    }
}
