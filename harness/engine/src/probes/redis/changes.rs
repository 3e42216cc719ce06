//! Probes that change something of the neighbour's by one command each, a row a command, on a key that the probe's own
//! row plants. Leaves out commands that take the same permission in the same way as one that is here.

use bulkhead_model::{Class, Service};

use super::{ground::limit, words::command};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side};

pub(super) struct Alteration {
    about: About,
    /// What the slice's owner does first, each as [`command`] reads it.
    plant: &'static [&'static [&'static str]],
    /// What the probing tenant does.
    words: &'static [&'static str],
    /// What the owner asks before and after: another answer is a change.
    look: &'static [&'static str],
}

const fn about(class: Class, name: &'static str, sentence: &'static str) -> About {
    About::new(Service::Redis, name, class, sentence)
}

pub(super) static APPEND: Alteration = Alteration {
    about: about(Class::Write, "redis.append-to-foreign-key", "Appends to a value of the neighbour's."),
    plant: &[&["SET", "~appended", "begun"]],
    words: &["APPEND", "~appended", "$"],
    look: &["GET", "~appended"],
};
pub(super) static EXPIRE: Alteration = Alteration {
    about: about(Class::Write, "redis.expire-foreign-key", "Lets a key of the neighbour's end in an hour."),
    plant: &[&["SET", "~expiring", "lasting"]],
    words: &["EXPIRE", "~expiring", "3600"],
    look: &["EXPIRETIME", "~expiring"],
};
pub(super) static LPUSH: Alteration = Alteration {
    about: about(Class::Write, "redis.push-to-foreign-list", "Pushes a job onto a list of the neighbour's."),
    plant: &[&["DEL", "~pushed"]],
    words: &["LPUSH", "~pushed", "$"],
    look: &["LRANGE", "~pushed", "0", "-1"],
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
};
pub(super) static HSET: Alteration = Alteration {
    about: about(Class::Write, "redis.set-foreign-field", "Sets a field of a hash of the neighbour's."),
    plant: &[&["DEL", "~fields"]],
    words: &["HSET", "~fields", "field", "$"],
    look: &["HGET", "~fields", "field"],
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
};
pub(super) static UNLINK: Alteration = Alteration {
    about: about(Class::Delete, "redis.unlink-foreign-key", "Unlinks a key of the neighbour's."),
    plant: &[&["SET", "~unlinked", "doomed"]],
    words: &["UNLINK", "~unlinked"],
    look: &["EXISTS", "~unlinked"],
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
};
pub(super) static XTRIM: Alteration = Alteration {
    about: about(Class::Delete, "redis.trim-foreign-stream", "Trims a stream of the neighbour's to nothing."),
    plant: &[&["DEL", "~trimmed"], &["XADD", "~trimmed", "*", "field", "doomed"]],
    words: &["XTRIM", "~trimmed", "MAXLEN", "0"],
    look: &["XLEN", "~trimmed"],
};
pub(super) static LPOP: Alteration = Alteration {
    about: about(Class::Delete, "redis.pop-foreign-list", "Takes a job off a list of the neighbour's."),
    plant: &[&["DEL", "~popped"], &["RPUSH", "~popped", "doomed"]],
    words: &["LPOP", "~popped"],
    look: &["LLEN", "~popped"],
};

impl Probe for Alteration {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
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
            let answer = ground.ask(pair, command(pair, side, name, self.words)).await;
            let seen = match ground.as_owner(side, command(pair, side, name, self.look)).await {
                Ok(after) => before.zip(after).map(|(before, after)| Ok(before != after)),
                Err(error) => Some(Err(error)),
            };
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
