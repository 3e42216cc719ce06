//! Probes of what all databases of a server share and one tenant could use up: connections, disk, memory, time. A budget is
//! not used up to see whether it ends: whether there is an end is read.

use bulkhead_model::Class;

use super::{
    ground::{Ask, At},
    question::{Fix, Question},
    rights::HELLO,
};

const fn budget(
    name: &'static str,
    sql: &'static str,
    ask: Ask,
    fix: &'static str,
    sentence: &'static str,
) -> Question {
    Question::new(At::Home, Class::Exhaust, name, sql, ask, Fix::Say(fix), sentence)
        .own(HELLO.0, HELLO.1)
        .by_name()
}

pub(super) static CONNECTIONS: Question = budget(
    "postgres.take-all-connections",
    "SELECT 'a limit of ' || rolconnlimit || ' of ' || current_setting('max_connections') FROM pg_roles \
     WHERE rolname = current_user AND (rolsuper OR rolconnlimit < 0 OR rolconnlimit >= \
     current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int)",
    Ask::Rows,
    "ALTER ROLE {mine} CONNECTION LIMIT 40, or whatever leaves room for the others",
    "Asks whether its login may take every connection of the server.",
);
pub(super) static TEMP_FILES: Question = budget(
    "postgres.fill-disk-with-temp-files",
    "SELECT 'no limit' WHERE current_setting('temp_file_limit') = '-1'",
    Ask::Rows,
    "ALTER ROLE {mine} SET temp_file_limit = '1GB'",
    "Asks whether one sort of its own may fill the disk that all share.",
);
pub(super) static MEMORY: Question = budget(
    "postgres.take-memory",
    "SELECT set_config('work_mem', '1GB', true)",
    Ask::Rows,
    "give each tenant a server of its own, or a machine's memory limit for each",
    "Allows itself as much memory for each step of a query as it likes.",
)
.always(
    "every role may raise its own `work_mem`, in every version; PostgreSQL has no quota of memory for a role; a server \
     for each tenant closes it",
);
pub(super) static TIME: Question = budget(
    "postgres.run-without-end",
    "SELECT set_config('statement_timeout', '0', true)",
    Ask::Rows,
    "give each tenant a server of its own, or end long statements from outside",
    "Lifts the limit on the time that its own statements take.",
)
.always(
    "`statement_timeout`, as every timeout, is each session's own to change, in every version; a server for each tenant \
     closes it, or a job that ends long statements",
);
pub(super) static REPLICATION_SLOT: Question = budget(
    "postgres.hold-back-journal",
    "SELECT pg_create_physical_replication_slot('No such name')",
    Ask::Until("42602"),
    "ALTER ROLE {mine} NOREPLICATION",
    "Makes a replication slot, for which the server keeps its journal until the disk is full.",
);
