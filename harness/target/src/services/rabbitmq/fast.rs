//! A code path on which the broker boots in less than half the time, without a byte of it changed.
//!
//! Most of a plain boot is spent looking for files: Erlang searches 90 folders in turn for each of 700 modules, and
//! RabbitMQ loads every module of every loaded application to read attributes that only its own modules carry. So the
//! node gets one flat folder of links to all modules that it needs, and copies of the other applications'
//! descriptions that list no modules. All of it is links and small texts in the server's own folder: making it takes
//! some 20 ms, about as long as checking a cached one would.
//!
//! Where an installation looks otherwise than expected, [`prepare`] says why and the caller starts the plain way.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    application,
    install::{Install, entries, file_name},
    node::{Home, Launch},
};

/// What the broker cannot start without; `mnesia` and the others are used though nothing declares them.
const REQUIRED: [&str; 7] =
    ["kernel", "stdlib", "sasl", "mnesia", "compiler", "rabbit", "rabbitmq_prelaunch"];

/// Plugins that may be turned on later.
const PLUGINS: [&str; 2] = ["rabbitmq_management", "rabbitmq_prometheus"];

/// RabbitMQ's own emulator flags, from its start script.
const EMULATOR: &str = "+W w +MBas ageffcbf +MHas ageffcbf +MBlmbcs 512 +MHlmbcs 512 +MMmcs 30 +P 1048576 +t 5000000 \
     +stbt db +zdbbl 128000 +sbwt none +sbwtdcpu none +sbwtdio none";

/// The rest of what the start script passes.
const APPLICATIONS: &str =
    "-syslog logger [] -syslog syslog_error_logger false -kernel prevent_overlapping_partitions false";

/// Where everything is, below one folder.
///
/// RabbitMQ puts each folder of its plugins path in front of the code path, the first one foremost: the modules must
/// be there, or every search begins in a dozen other places.
struct Layout {
    /// A plugins folder with one "plugin", which has no description and holds all modules.
    first: PathBuf,
    /// The modules.
    modules: PathBuf,
    /// The descriptions without modules, foremost after that.
    descriptions: PathBuf,
    /// The plugins that may be turned on.
    plugins: PathBuf,
    /// RabbitMQ's other applications: searched last, for their descriptions and what is neither.
    libraries: PathBuf,
}

impl Layout {
    fn new(dir: &Path) -> Self {
        Self {
            first: dir.join("first"),
            modules: dir.join("first/modules/ebin"),
            descriptions: dir.join("descriptions"),
            plugins: dir.join("plugins"),
            libraries: dir.join("libraries"),
        }
    }
}

/// Makes the code path in `dir`, whose parent is there, replacing what a broker that ran here before left. It blocks.
///
/// # Errors
/// Why this installation cannot be started so, a lower-case fragment.
pub(super) fn prepare(install: &Install, dir: &Path) -> Result<(), String> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("`{path}`: {error}")
    };
    if dir.as_os_str().as_encoded_bytes().contains(&b':') {
        return Err(format!("`{}` holds a colon, which separates folders in a list", dir.display()));
    }
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(failed(dir))?;
    }
    let to = Layout::new(dir);
    // One at a time: a start that was given up may be at this when its run is cleared away, and must then fail rather
    // than make the run's folder again.
    let parent = to.modules.parent().unwrap_or(dir);
    for folder in [dir, &to.first, parent, &to.modules, &to.descriptions, &to.plugins, &to.libraries] {
        fs::create_dir(folder).map_err(failed(folder))?;
    }
    let own = folders(&install.home.join("plugins"));
    let system = folders(&install.erlang.root.join("lib"));
    let plugins = PLUGINS.iter().filter(|plugin| own.contains_key(**plugin));
    let base = closure(&REQUIRED, &own, &system)?;
    let all: Vec<&str> = REQUIRED.iter().chain(plugins).copied().collect();
    for (name, (folder, text)) in closure(&all, &own, &system)? {
        if own.contains_key(&name) {
            let place = if base.contains_key(&name) { &to.libraries } else { &to.plugins };
            let link = place.join(file_name(&folder));
            symlink(&folder, &link).map_err(failed(&link))?;
        }
        let files = entries(&folder.join("ebin"));
        for module in files.iter().filter(|path| path.extension() == Some("beam".as_ref())) {
            let link = to.modules.join(file_name(module));
            symlink(module, &link).map_err(failed(&link))?;
        }
        if !name.starts_with("rabbit") {
            let trimmed = application::without_modules(&text);
            let trimmed = trimmed.ok_or_else(|| format!("the application `{name}` lists no modules"))?;
            let file = to.descriptions.join(format!("{name}.app"));
            fs::write(&file, trimmed).map_err(failed(&file))?;
        }
    }
    Ok(())
}

/// The node on the code path in `dir`, started as the scripts would start it in the end.
pub(super) fn launch(install: &Install, dir: &Path, home: &Home) -> Launch {
    let words = |text: &str| text.split_ascii_whitespace().map(OsString::from).collect::<Vec<_>>();
    let mut args = words("-noinput -s rabbit boot -boot start_sasl");
    args.extend(words(EMULATOR));
    args.extend(home.flags().into_iter().map(OsString::from));
    let at = Layout::new(dir);
    // The last one given is the foremost.
    args.extend(["-pa".into(), at.descriptions.into(), "-pa".into(), at.modules.into()]);
    args.extend(words(APPLICATIONS));
    let mut plugins = at.first.into_os_string();
    plugins.push(":");
    plugins.push(at.plugins);
    let env = [
        ("ROOTDIR", install.erlang.root.clone().into_os_string()),
        ("BINDIR", install.erlang.bin.clone().into()),
        ("EMU", "beam".into()),
        ("PROGNAME", "erl".into()),
        ("ERL_LIBS", at.libraries.into()),
        ("ERL_MAX_ETS_TABLES", "50000".into()),
        ("ERL_MAX_PORTS", "65536".into()),
        ("RABBITMQ_HOME", dir.into()),
        ("RABBITMQ_PLUGINS_DIR", plugins),
    ];
    let env = env.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Launch { program: install.erlang.bin.join("erlexec"), args, env }
}

/// Application folders by the application's name, the highest version of each.
fn folders(parent: &Path) -> BTreeMap<String, PathBuf> {
    let named = entries(parent).into_iter().filter_map(|folder| {
        let name = file_name(&folder).split_once('-')?.0.to_owned();
        folder.is_dir().then_some((name, folder))
    });
    let mut folders = BTreeMap::<String, PathBuf>::new();
    for (name, folder) in named {
        let newest = folders.entry(name).or_insert_with(|| folder.clone());
        if super::install::numbers(&file_name(&folder)) > super::install::numbers(&file_name(newest)) {
            *newest = folder;
        }
    }
    folders
}

/// These applications and all that they need, each with its folder and the text of its description.
fn closure(
    roots: &[&str],
    own: &BTreeMap<String, PathBuf>,
    system: &BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<String, (PathBuf, String)>, String> {
    let mut wanted: Vec<String> = roots.iter().map(|name| (*name).to_owned()).collect();
    let mut found = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let folder = own.get(&name).or_else(|| system.get(&name));
        let folder = folder.ok_or_else(|| format!("the application `{name}` is in no folder of its own"))?;
        let file = folder.join("ebin").join(format!("{name}.app"));
        let text = fs::read_to_string(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        wanted.extend(application::needs(&text));
        found.insert(name, (folder.clone(), text));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{super::install::Erlang, *};

    #[test]
    fn a_folder_that_is_gone_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere");
        let erlang = Erlang {
            path: nowhere.clone(),
            root: nowhere.clone(),
            bin: nowhere.clone(),
            epmd: nowhere.clone(),
            erl_call: None,
        };
        let install = Install { home: nowhere, version: String::from("3.10.8"), erlang };
        let gone = folder.path().join("rabbitmq");
        let why = prepare(&install, &gone.join("code")).unwrap_err();
        assert!(why.contains("rabbitmq/code") && !gone.exists(), "{why}");
        // With the folder, it gets on to looking for the broker's applications.
        fs::create_dir(&gone).unwrap();
        let why = prepare(&install, &gone.join("code")).unwrap_err();
        assert!(why.contains("is in no folder of its own"), "{why}");
    }
}
