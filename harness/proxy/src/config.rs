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
    let mut place = None;
    let populated = match api::read_proxies(&text, &mut ignored) {
        Ok(specs) => proxies.populate(specs, false).await,
        Err((at, error)) => {
            place = at;
            Populated { proxies: Vec::new(), error: Some(error) }
        }
    };
    if !ignored.is_empty() {
        tracing::warn!(keys = ignored.join(", "), %config, "Unknown keys in config file");
    }
    match populated.error {
        Some(error) => {
            let at = place.map(|place| format!("{config}:{}", line_and_column(&text, place)));
            tracing::error!(%error, at, %config, "Failed to populate proxies from file");
        }
        None => tracing::info!(proxies = populated.proxies.len(), "Populated proxies from file"),
    }
}

/// As editors count them, from 1; a column is a character.
fn line_and_column(text: &[u8], place: usize) -> String {
    let before = text.get(..place).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let begun = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    format!("{line}:{}", String::from_utf8_lossy(begun).chars().count() + 1)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "a\né\u{e9}x\n".as_bytes();
        let places = [0, 1, 2, 6, 7, 99].map(|place| line_and_column(text, place));
        assert_eq!(places, ["1:1", "1:2", "2:1", "2:3", "2:4", "3:1"]);
    }
}
