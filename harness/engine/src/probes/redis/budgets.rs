//! Probes of what all tenants of a server draw on together: its memory, its one thread, its connections, what it holds for
//! clients that do not read. Each takes a little, which shows that no budget of the login's own is asked: how much there
//! is could only be seen by using it up.

use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::clients;

use super::{ground::Ground, reading::read_error, server_wide, words::command};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

pub(super) struct Budget {
    about: About,
    take: Take,
    /// What keeps it from running out, as far as anything does.
    inherent: &'static str,
}

#[derive(Clone, Copy)]
enum Take {
    Memory,
    Time,
    Connections,
    Answers,
}

/// How many connections are opened at once.
const CONNECTIONS: usize = 4;

/// How many answers are asked for before the first is read, and the length of each.
const ANSWERS: (usize, usize) = (16, 64 * 1024);

/// The last byte of the key that is filled, in decimal: a megabyte.
const LAST: &str = "1048575";

const fn about(name: &'static str, sentence: &'static str) -> About {
    About::new(Service::Redis, name, Class::Exhaust, sentence).by_name().taking()
}

pub(super) static MEMORY: Budget = Budget {
    about: about("redis.fill-memory", "Stores a megabyte, counted by nothing but the memory that all share."),
    take: Take::Memory,
    inherent: "has one `maxmemory` for everybody, as every Redis and Valkey has, and no quota for a login; a server of \
               its own closes it",
};
pub(super) static TIME: Budget = Budget {
    about: about(
        "redis.keep-server-busy",
        "Runs a script that loops a thousand times: everybody waits until a script ends, and nothing ends it.",
    ),
    take: Take::Time,
    inherent: "runs scripts of any length, and `busy-reply-threshold` only lets an operator end one that has not \
               written; withholding the scripting commands closes it for an app that needs none",
};
pub(super) static CONNECTED: Budget = Budget {
    about: about(
        "redis.take-connections",
        "Opens several connections, of which all tenants share one number.",
    ),
    take: Take::Connections,
    inherent: "has one `maxclients` for everybody, as every Redis and Valkey has, and no number for a login; a server \
               of its own closes it",
};
pub(super) static UNREAD: Budget = Budget {
    about: about(
        "redis.leave-answers-unread",
        "Asks for a megabyte of answers before it reads one; the server holds them in the memory that all share.",
    ),
    take: Take::Answers,
    inherent: "bounds what it holds for one connection (`client-output-buffer-limit`) and for all together \
               (`maxmemory-clients`, from Redis 7.0), not for a login; a server of its own closes it",
};

impl Budget {
    async fn call(&self, ground: &Ground, pair: &Pair<'_>) -> Answer {
        let words = |words: &[&str]| command(pair, Side::Own, self.about.name, words);
        match self.take {
            Take::Memory => {
                let answer = ground.ask(pair, words(&["SETRANGE", "=filling", LAST, "x"])).await;
                ground.ask(pair, words(&["DEL", "=filling"])).await;
                answer
            }
            Take::Time => {
                let script = "for turn = 1, 1000 do end return 'ended by itself'";
                ground.ask(pair, words(&["EVAL", script, "0"])).await
            }
            Take::Connections => connections(pair).await,
            Take::Answers => unread(ground, pair).await,
        }
    }
}

async fn connections(pair: &Pair<'_>) -> Answer {
    let opening = (0..CONNECTIONS).map(|_| clients::redis::connect(pair.from));
    Answer::of(format!("{CONNECTIONS} connections as `{}`", pair.from.connections.redis.user), async {
        match futures::future::try_join_all(opening).await {
            Ok(opened) => (Outcome::Allowed, format!("{} opened beside the others", opened.len())),
            Err(error) => (Outcome::Unknown, error.chain()),
        }
    })
    .await
}

/// The commands leave together, and the server runs them all before it sends what it has to say: its own word on the
/// connection, which comes last, counts what it holds.
async fn unread(ground: &Ground, pair: &Pair<'_>) -> Answer {
    let (count, length) = ANSWERS;
    let call = format!("{count} times GET of {length} bytes as `{}`", pair.from.connections.redis.user);
    let key = pair.from.tenant.slices.redis.key("bulkhead:long");
    let mut pipeline = redis::pipe();
    pipeline.cmd("SETRANGE").arg(&key).arg(length - 1).arg("x");
    for _ in 0..count {
        pipeline.cmd("GET").arg(&key);
    }
    pipeline.cmd("CLIENT").arg("INFO").cmd("DEL").arg(&key).ignore_errors();
    Answer::of(call, async {
        let Some(mut connection) = ground.owner(Side::Own) else {
            return (Outcome::Unknown, String::from("no connection"));
        };
        let answers: Result<Vec<redis::RedisResult<String>>, _> = pipeline.query_async(&mut connection).await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => return read_error(&error),
        };
        if let Some(Err(error)) = answers.iter().take(count + 1).find(|answer| answer.is_err()) {
            return read_error(error);
        }
        let info = answers.get(count + 1).and_then(|info| info.as_ref().ok());
        let held = info.and_then(|info| held(info)).unwrap_or("an unknown number of");
        (Outcome::Allowed, format!("{count} answers, {held} bytes of which were held at once"))
    })
    .await
}

/// What `CLIENT INFO` says that the server holds for the connection.
fn held(info: &str) -> Option<&str> {
    info.split_whitespace().find_map(|field| field.strip_prefix("omem="))
}

impl Probe for Budget {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        match self.take {
            Take::Time => server_wide::withhold(pair, "@scripting"),
            Take::Memory | Take::Connections | Take::Answers => {
                format!("give {} a server of its own", pair.from.tenant.name)
            }
        }
    }

    fn inherent(&self, _pair: &Pair<'_>, server: &str) -> Option<String> {
        Some(format!("{server} {}", self.inherent))
    }

    /// The call is the same on both sides, since what it draws on is nobody's.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let answer = self.call(ground, pair).await;
            if side == Side::Own && answer.outcome == Outcome::Denied {
                return Ok(ground.shown_otherwise(pair, &answer).await);
            }
            Ok(Attempt::Seen(answer))
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_held_is_read_where_it_is_said() {
        assert_eq!(super::held("id=3 obl=0 oll=65 omem=1068080 tot-mem=1"), Some("1068080"));
        assert_eq!(super::held("id=3"), None);
    }
}
