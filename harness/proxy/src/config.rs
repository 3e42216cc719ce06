//! The configuration file: a JSON array of proxies as `/populate` takes it, toxics, triggers and TLS among them.

use std::{fs::File, io::Read as _, path::Path};

use crate::{
    api,
    proxies::{Populated, Proxies},
};

/// The largest file that is read.
const FILE: u64 = 16 << 20;

/// Makes the proxies of a file. A file that is missing or wrong is logged and the rest goes on, as in Toxiproxy, since
/// whoever waits for the server would otherwise wait for ever.
pub async fn populate(proxies: &Proxies, path: &Path) {
    let config = path.display();
    let text = match read(path) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, %config, "Error reading config file");
            return;
        }
    };
    let mut ignored = Vec::new();
    let populated = match api::read_proxies(&text, &mut ignored) {
        Ok(specs) => proxies.populate(specs, false).await,
        Err(error) => Populated { proxies: Vec::new(), error: Some(error) },
    };
    if !ignored.is_empty() {
        tracing::warn!(keys = ignored.join(", "), %config, "Unknown keys in config file");
    }
    match populated.error {
        Some(error) => tracing::error!(%error, %config, "Failed to populate proxies from file"),
        None => tracing::info!(proxies = populated.proxies.len(), "Populated proxies from file"),
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE).read_to_end(&mut text)?;
    Ok(text)
}
