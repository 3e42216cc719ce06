//! Commands as tables write them: words, some of which stand for something of the pair's.

use redis::Cmd;

use crate::probes::{Pair, Side};

/// The command that the words mean on the side. `~name` is a key or channel of the side's, `=name` one of the probing
/// tenant's own, `^` everything that starts with the side's prefix, `#` what only the side's owner knows, and `$` a token
/// that only this probe writes.
pub(super) fn command(pair: &Pair<'_>, side: Side, probe: &str, words: &[&str]) -> Cmd {
    let slice = &pair.tenant(side).slices.redis;
    let mut command = Cmd::new();
    for word in words {
        let own = &pair.tenant(Side::Own).slices.redis;
        command.arg(match (*word, word.split_at_checked(1)) {
            ("$", _) => pair.token(probe),
            ("#", _) => pair.planted(side),
            (_, Some(("~", name))) => slice.key(&format!("bulkhead:{name}")),
            (_, Some(("=", name))) => own.key(&format!("bulkhead:{name}")),
            (plain, _) => plain.replace('^', &format!("{}*", slice.prefix)),
        });
    }
    command
}

/// The command's own name, subcommand included, as access rules write it: `client|list`.
pub(super) fn rule(words: &[&str]) -> String {
    const CONTAINERS: [&str; 14] = [
        "ACL", "CLIENT", "CLUSTER", "CONFIG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT", "PUBSUB",
        "SCRIPT", "SLOWLOG", "XINFO", "XGROUP",
    ];
    let named = if words.first().is_some_and(|first| CONTAINERS.contains(first)) { 2 } else { 1 };
    words.iter().take(named).copied().collect::<Vec<_>>().join("|").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{probes::redis::reading::readable, seed::Seed, testing::tenant};

    #[test]
    fn words_stand_for_what_is_the_sides() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let shown = |side| readable(&command(&pair, side, "p", &["COPY", "~k", "=k", "^", "$", "-1"]));
        let token = pair.token("p");
        assert_eq!(
            shown(Side::Foreign),
            format!("COPY plane:bulkhead:k engine:bulkhead:k plane:* {token} -1")
        );
        assert_eq!(shown(Side::Own), format!("COPY engine:bulkhead:k engine:bulkhead:k engine:* {token} -1"));
    }

    #[test]
    fn a_rule_names_the_subcommand() {
        assert_eq!(rule(&["CLIENT", "LIST"]), "client|list");
        assert_eq!(rule(&["KEYS", "x"]), "keys");
    }
}
