//! Probes of the scripts that all tenants of a server share: whoever knows a script's text, and so its digest, learns
//! whether anybody has loaded it. It runs with its caller's permissions, so that it reaches no key.

use bulkhead_model::{Class, Service};
use bulkhead_target::Error;
use redis::{Script, cmd};

use super::{ground::Ground, server_wide};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side};

pub(super) struct Known {
    about: About,
    /// The commands that come before the digest, and after it.
    words: (&'static [&'static str], &'static [&'static str]),
}

pub(super) static EXISTS: Known = Known {
    about: About::new(
        Service::Redis,
        "redis.script-known",
        Class::Enumerate,
        "Asks by its digest whether a script is there that only the neighbour has loaded.",
    ),
    words: (&["SCRIPT", "EXISTS"], &[]),
};
pub(super) static EVALSHA: Known = Known {
    about: About::new(
        Service::Redis,
        "redis.run-foreign-script",
        Class::Enumerate,
        "Runs by its digest a script that only the neighbour has loaded.",
    ),
    words: (&["EVALSHA"], &["0"]),
};

/// Its side's owner loads it. It holds no canary: whoever knows the digest knows the text.
fn script(pair: &Pair<'_>, probe: &str, side: Side) -> String {
    format!("return '{}'", pair.token(&format!("{probe} {side:?}")))
}

async fn load(ground: &Ground, side: Side, text: &str) -> Result<(), Error> {
    let mut load = cmd("SCRIPT");
    load.arg("LOAD").arg(text);
    ground.as_owner(side, load).await.map(|_| ())
}

impl Probe for Known {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        server_wide::withhold(pair, "script|exists -evalsha -evalsha_ro")
    }

    fn inherent(&self, _pair: &Pair<'_>, server: &str) -> Option<String> {
        Some(format!(
            "{server} keeps the scripts of all logins together, as every Redis and Valkey does; withholding SCRIPT \
             EXISTS and EVALSHA closes it for an app that always sends whole scripts"
        ))
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, text) = (pair.redis().await?, script(pair, self.about.name, side));
            // Where its owner may not load it either, there is nothing to find, and the call itself shows what is granted.
            let loaded = load(ground, side, &text).await;
            let digest = Script::new(&text).get_hash().to_owned();
            let (before, after) = self.words;
            let mut ask = redis::Cmd::new();
            ask.arg(before).arg(digest).arg(after);
            let answer = ground.ask(pair, ask).await;
            if side == Side::Own && (loaded.is_err() || !answer.worked()) {
                return Ok(ground.shown_otherwise(pair, &answer).await);
            }
            Ok(Attempt::Seen(answer))
        })
    }
}
