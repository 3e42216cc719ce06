//! Probes that change something of the neighbour's by one command each, a row a command, on a key that the probe's own
//! row plants. Some commands are kept from every tenant on a sound server, even on its own keys. Leaves out commands that
//! take the same permission in the same way as one that is here.

use bulkhead_model::{Class, Service};
use redis::{Cmd, Value};

use super::{
    ground::{Ground, key, limit},
    server_wide,
    words::{command, rule},
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side};

pub(super) struct Alteration {
    about: About,
    /// What the slice's owner does first, each as [`command`] reads it.
    plant: &'static [&'static [&'static str]],
    /// What the probing tenant does.
    words: &'static [&'static str],
    /// What the owner asks before and after: another answer is a change.
    look: &'static [&'static str],
    /// Whether a sound server keeps the command from every tenant, so that the control may be another.
    withheld: bool,
}

const fn about(class: Class, name: &'static str, sentence: &'static str) -> About {
    About::new(Service::Redis, name, class, sentence)
}

pub(super) static APPEND: Alteration = Alteration {
    about: about(Class::Write, "redis.append-to-foreign-key", "Appends to a value of the neighbour's."),
    plant: &[&["SET", "~appended", "begun"]],
    words: &["APPEND", "~appended", "$"],
    look: &["GET", "~appended"],
    withheld: false,
};
pub(super) static EXPIRE: Alteration = Alteration {
    about: about(Class::Write, "redis.expire-foreign-key", "Lets a key of the neighbour's end in an hour."),
    plant: &[&["SET", "~expiring", "lasting"]],
    words: &["EXPIRE", "~expiring", "3600"],
    look: &["EXPIRETIME", "~expiring"],
    withheld: false,
};
pub(super) static LPUSH: Alteration = Alteration {
    about: about(Class::Write, "redis.push-to-foreign-list", "Pushes a job onto a list of the neighbour's."),
    plant: &[&["DEL", "~pushed"]],
    words: &["LPUSH", "~pushed", "$"],
    look: &["LRANGE", "~pushed", "0", "-1"],
    withheld: false,
};
pub(super) static XADD: Alteration = Alteration {
    about: about(
        Class::Write,
        "redis.add-to-foreign-stream",
        "Adds an entry to a stream of the neighbour's.",
    ),
    plant: &[&["DEL", "~added"]],
    words: &["XADD", "~added", "*", "field", "$"],
    look: &["XLEN", "~added"],
    withheld: false,
};
pub(super) static HSET: Alteration = Alteration {
    about: about(Class::Write, "redis.set-foreign-field", "Sets a field of a hash of the neighbour's."),
    plant: &[&["DEL", "~fields"]],
    words: &["HSET", "~fields", "field", "$"],
    look: &["HGET", "~fields", "field"],
    withheld: false,
};
pub(super) static MOVE_INTO: Alteration = Alteration {
    about: about(
        Class::Write,
        "redis.move-into-foreign-list",
        "Moves an element of its own into a list of the neighbour's.",
    ),
    plant: &[&["DEL", "~moved"]],
    words: &["LMOVE", "=moving", "~moved", "LEFT", "LEFT"],
    look: &["LLEN", "~moved"],
    withheld: false,
};
pub(super) static UNLINK: Alteration = Alteration {
    about: about(Class::Delete, "redis.unlink-foreign-key", "Unlinks a key of the neighbour's."),
    plant: &[&["SET", "~unlinked", "doomed"]],
    words: &["UNLINK", "~unlinked"],
    look: &["EXISTS", "~unlinked"],
    withheld: false,
};
pub(super) static GETDEL: Alteration = Alteration {
    about: about(
        Class::Delete,
        "redis.take-foreign-key",
        "Reads and deletes a key of the neighbour's at once.",
    ),
    plant: &[&["SET", "~taken", "doomed"]],
    words: &["GETDEL", "~taken"],
    look: &["EXISTS", "~taken"],
    withheld: false,
};
pub(super) static RENAME: Alteration = Alteration {
    about: about(
        Class::Delete,
        "redis.rename-foreign-key",
        "Renames a key of the neighbour's into its own slice.",
    ),
    plant: &[&["SET", "~renamed", "doomed"]],
    words: &["RENAME", "~renamed", "=renamed-to"],
    look: &["EXISTS", "~renamed"],
    withheld: false,
};
pub(super) static XTRIM: Alteration = Alteration {
    about: about(Class::Delete, "redis.trim-foreign-stream", "Trims a stream of the neighbour's to nothing."),
    plant: &[&["DEL", "~trimmed"], &["XADD", "~trimmed", "*", "field", "doomed"]],
    words: &["XTRIM", "~trimmed", "MAXLEN", "0"],
    look: &["XLEN", "~trimmed"],
    withheld: false,
};
pub(super) static LPOP: Alteration = Alteration {
    about: about(Class::Delete, "redis.pop-foreign-list", "Takes a job off a list of the neighbour's."),
    plant: &[&["DEL", "~popped"], &["RPUSH", "~popped", "doomed"]],
    words: &["LPOP", "~popped"],
    look: &["LLEN", "~popped"],
    withheld: false,
};

pub(super) static XREADGROUP: Alteration = Alteration {
    about: about(
        Class::Delete,
        "redis.take-from-foreign-group",
        "Takes a job from a consumer group of the neighbour's, whose own workers then never see it.",
    ),
    plant: &[
        &["DEL", "~grouped"],
        &["XGROUP", "CREATE", "~grouped", "workers", "0", "MKSTREAM"],
        &["XADD", "~grouped", "*", "field", "job"],
    ],
    words: &["XREADGROUP", "GROUP", "workers", "thief", "COUNT", "1", "STREAMS", "~grouped", ">"],
    look: &["XPENDING", "~grouped", "workers"],
    withheld: false,
};
pub(super) static SCRIPT: Alteration = Alteration {
    about: about(
        Class::Write,
        "redis.write-by-script",
        "Writes a key of the neighbour's inside a script that does not declare it.",
    ),
    plant: &[&["SET", "~scripted", "as it was"]],
    words: &["EVAL", "return redis.call('SETRANGE', ARGV[1], 0, ARGV[2])", "0", "~scripted", "$"],
    look: &["GET", "~scripted"],
    withheld: false,
};
pub(super) static RESTORE: Alteration = Alteration {
    about: about(
        Class::Write,
        "redis.restore-into-foreign-key",
        "Loads what it dumped of its own under a key of the neighbour's.",
    ),
    plant: &[&["DEL", "~restored"]],
    words: &["RESTORE", "~restored", "0", "%"],
    look: &["EXISTS", "~restored"],
    withheld: true,
};
// It ends by itself, since nobody may be able to fetch it back.
pub(super) static MOVE: Alteration = Alteration {
    about: about(
        Class::Delete,
        "redis.move-foreign-key",
        "Moves a key of the neighbour's to another logical database.",
    )
    .beyond_slices(),
    plant: &[&["SET", "~leaving", "doomed", "EX", "60"]],
    words: &["MOVE", "~leaving", "1"],
    look: &["EXISTS", "~leaving"],
    withheld: true,
};

impl Alteration {
    /// The command, in which `%` stands for what the probing tenant dumped of its own.
    async fn command(&self, ground: &Ground, pair: &Pair<'_>, side: Side) -> Cmd {
        let Some((_, before)) = self.words.split_last().filter(|(last, _)| **last == "%") else {
            return command(pair, side, self.about.name, self.words);
        };
        let mut command = command(pair, side, self.about.name, before);
        let mut dump = redis::cmd("DUMP");
        dump.arg(key(&pair.from.tenant.slices.redis));
        // Without a payload the server judges the call all the same.
        let payload = match ground.as_owner(Side::Own, dump).await {
            Ok(Some(Value::BulkString(payload))) => payload,
            Ok(_) | Err(_) => Vec::from("no payload"),
        };
        command.arg(payload);
        command
    }
}

impl Probe for Alteration {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        if self.withheld { server_wide::withhold(pair, &rule(self.words)) } else { limit(pair) }
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, name) = (pair.redis().await?, self.about.name);
            if self.words.contains(&"=moving") {
                ground.as_owner(Side::Own, command(pair, side, name, &["RPUSH", "=moving", "$"])).await?;
            }
            for words in self.plant {
                ground.as_owner(side, command(pair, side, name, words)).await?;
            }
            let before = ground.as_owner(side, command(pair, side, name, self.look)).await?;
            let answer = ground.ask(pair, self.command(ground, pair, side).await).await;
            // On its own key it does not get there either where there is one logical database.
            if self.withheld && side == Side::Own && !answer.worked() {
                return Ok(ground.shown_otherwise(pair, &answer).await);
            }
            let seen = match ground.as_owner(side, command(pair, side, name, self.look)).await {
                Ok(after) => before.zip(after).map(|(before, after)| Ok(before != after)),
                Err(error) => Some(Err(error)),
            };
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
