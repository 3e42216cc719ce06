//! The package managers: which packages bring which server, and the commands that install them.

use bulkhead_model::Service;

/// A package manager.
pub(super) struct Manager {
    /// The program that shows that it is here.
    pub(super) program: &'static str,
    /// The command that a person would type before the packages' names.
    pub(super) by_hand: &'static str,
    /// Whether it must run as root.
    pub(super) root: bool,
    /// The packages for PostgreSQL, Redis and RabbitMQ.
    packages: [&'static str; 3],
    /// The shell script that installs `$PACKAGES`, without questions and without starting a system service.
    script: &'static str,
}

/// The managers that are looked for, in this order.
pub(super) const MANAGERS: [Manager; 3] = [
    Manager {
        program: "apt-get",
        by_hand: "sudo apt-get install",
        root: true,
        packages: ["postgresql", "redis-server", "rabbitmq-server"],
        script: APT,
    },
    Manager {
        program: "dnf",
        by_hand: "sudo dnf install",
        root: true,
        // Fedora has Valkey in Redis's place since 41 (fedoraproject.org/wiki/Changes/Replace_Redis_With_Valkey);
        // where a kin of it has not, the same script takes Redis. The two others are so called on
        // packages.fedoraproject.org, to which RabbitMQ's own guide points (rabbitmq.com/docs/install-rpm).
        packages: ["postgresql-server", "valkey", "rabbitmq-server"],
        script: DNF,
    },
    Manager {
        program: "brew",
        by_hand: "brew install",
        root: false,
        // Formulae of Homebrew/homebrew-core. `postgresql` is an alias there that moves on with the years.
        packages: ["postgresql@18", "redis", "rabbitmq"],
        script: "brew install $PACKAGES\n",
    },
];

/// Debian's packages start their services as they are installed unless `policy-rc.d` forbids it (exit 101), which
/// both `invoke-rc.d` and `deb-systemd-invoke` ask. Ours forbids only while this very script runs, so that one left
/// behind by a kill forbids nothing; somebody else's is left alone.
const APT: &str = "\
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e \"$policy\" ] || grep -q 'bulkhead install' \"$policy\"; then
  trap 'rm -f \"$policy\"' EXIT
  printf '#!/bin/sh\\n# bulkhead install: start no service while process %s lives\\nkill -0 %s 2>/dev/null && exit 101\\nexit 0\\n' $$ $$ > \"$policy\"
  chmod 755 \"$policy\"
fi
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends $PACKAGES
";

/// Fedora and its kin start nothing at installation.
const DNF: &str = "\
dnf install --assumeyes $PACKAGES || dnf install --assumeyes $(echo $PACKAGES | sed 's/\\bvalkey\\b/redis/')
";

impl Manager {
    /// The package that brings a service's server, when one does.
    pub(super) fn package(&self, service: Service) -> Option<&'static str> {
        match service {
            Service::Postgres => Some(self.packages[0]),
            Service::Redis => Some(self.packages[1]),
            Service::Rabbitmq => Some(self.packages[2]),
            Service::S3 => None,
        }
    }

    /// The whole script, as it is printed and as it is run.
    pub(super) fn script(&self, packages: &[&str]) -> String {
        format!("set -e\nPACKAGES='{}'\n{}", packages.join(" "), self.script)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, process::Stdio};

    use super::*;

    #[test]
    fn every_script_is_one_that_a_shell_can_read() {
        for manager in &MANAGERS {
            let script = manager.script(&["redis", "postgresql"]);
            let mut shell = std::process::Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(shell.wait().unwrap().success(), "{script}");
            assert!(script.starts_with("set -e\nPACKAGES='redis postgresql'\n"), "{script}");
        }
    }

    /// Stands for a distribution without Valkey.
    #[test]
    fn where_there_is_no_valkey_dnf_takes_redis() {
        let folder = tempfile::tempdir().unwrap();
        let fake = folder.path().join("dnf");
        std::fs::write(&fake, "#!/bin/sh\necho \"$@\"\ncase \"$*\" in *valkey*) exit 1;; esac\n").unwrap();
        std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let dnf = MANAGERS.iter().find(|manager| manager.program == "dnf").unwrap();
        let script = dnf.script(&[Service::Postgres, Service::Redis].map(|s| dnf.package(s).unwrap()));
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let output =
            std::process::Command::new("sh").args(["-c", &script]).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "install --assumeyes postgresql-server valkey\ninstall --assumeyes postgresql-server redis\n"
        );
    }

    /// The policy that the script writes, run as a program: it forbids while the installing shell lives.
    #[test]
    fn services_are_forbidden_only_while_the_script_runs() {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("policy-rc.d");
        // Stands for the package manager: it asks the policy as a package would, and says what it was told to do.
        let fake = folder.path().join("apt-get");
        let says = format!("#!/bin/sh\nsh '{}'\necho \"$1 $2 $3 $4: $?\"\n", policy.display());
        std::fs::write(&fake, says).unwrap();
        std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let script = APT.replace("/usr/sbin/policy-rc.d", policy.to_str().unwrap());
        let script = format!("set -e\nPACKAGES='redis-server'\n{script}cp \"$policy\" \"$policy.kept\"\n");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let output =
            std::process::Command::new("sh").args(["-c", &script]).env("PATH", path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            ["-o DPkg::Lock::Timeout=300 update : 101", "-o DPkg::Lock::Timeout=300 install --yes: 101"],
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!policy.exists(), "the script removes its policy");
        let kept = std::process::Command::new("sh").arg(policy.with_extension("d.kept")).status().unwrap();
        assert!(kept.success(), "a policy left behind by a kill forbids nothing");
    }
}
