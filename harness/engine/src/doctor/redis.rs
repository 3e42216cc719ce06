//! Redis: a login, PING, and INFO where the user may ask for it.

use bulkhead_model::Service;
use bulkhead_target::{Error, TenantAccess, clients};

use super::{Complaint, Seeing, nearly_all};

pub(super) async fn enter(access: &TenantAccess) -> Result<Seeing, Complaint> {
    let mut connection = clients::redis::connect(access).await.map_err(|error| Complaint::of(&error))?;
    let pong: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
    pong.map_err(|error| Complaint::of(&Error::serve(Service::Redis, "get an answer to PING")(error)))?;
    // Who is limited to a prefix may not ask about the server as a whole, which is as it should be.
    let info: redis::RedisResult<String> = redis::cmd("INFO").query_async(&mut connection).await;
    Ok(match info {
        Ok(info) => read(&info),
        Err(_) => Seeing {
            text: String::from("PING answered; the user may not ask for INFO"),
            facts: String::new(),
        },
    })
}

/// What INFO says about version, memory and eviction.
fn read(info: &str) -> Seeing {
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let number = |name: &str| value(name).and_then(|text| text.parse::<u64>().ok());
    let mut facts = String::new();
    let policy = value("maxmemory_policy");
    if policy.is_some_and(|policy| policy != "noeviction") {
        facts.push_str("eviction: on\n");
    }
    let (used, most) = (number("used_memory").unwrap_or(0), number("maxmemory").unwrap_or(0));
    if nearly_all(used, most) {
        facts.push_str("memory: at least nine tenths taken\n");
    }
    let version = value("redis_version").unwrap_or("of unknown version");
    let limit = if most > 0 { format!("{used} of {most} bytes") } else { format!("{used} bytes (no limit)") };
    let text =
        format!("PING answered; Redis {version}, {limit} in use, policy {}", policy.unwrap_or("not told"));
    Seeing { text, facts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_server_shows_nothing_and_a_full_or_evicting_one_does() {
        let info = |policy: &str, used: u64| {
            format!(
                "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nused_memory:{used}\r\nmaxmemory:1000\r\nmaxmemory_policy:{policy}\r\n"
            )
        };
        let healthy = read(&info("noeviction", 899));
        assert_eq!(healthy.facts, "");
        assert!(healthy.text.contains("Redis 7.0.15, 899 of 1000 bytes"), "{}", healthy.text);
        assert_eq!(read(&info("optimistic-volatile", 1)).facts, "eviction: on\n");
        assert_eq!(read(&info("noeviction", 900)).facts, "memory: at least nine tenths taken\n");
        assert_eq!(read("").facts, "");
    }
}
