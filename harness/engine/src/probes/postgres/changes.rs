//! Probes that change something of the neighbour's by one statement each, a row a statement, and ask the neighbour whether
//! it sees the change. What only an owner may do is asked in [`super::objects`], and undone.

use bulkhead_model::{Class, Service};

use super::{
    ground::{Ask, At},
    question::{Fix, Inherent},
    words::fill,
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side};

pub(super) struct Alteration {
    about: About,
    /// What the slice's owner does first, as [`fill`] reads it.
    plant: &'static str,
    /// What the probing tenant does in the side's database.
    act: &'static str,
    /// What it does and undoes there on its own side, where these are other statements.
    own: Option<(&'static str, &'static str)>,
    /// What the owner asks before and after: another answer is a change.
    look: &'static str,
    /// What the probing tenant does afterwards.
    undo: Option<&'static str>,
    fix: Fix,
    inherent: Inherent,
}

/// The same of what lies in no schema.
const fn beyond_slices(row: Alteration) -> Alteration {
    Alteration { about: row.about.beyond_slices(), ..row }
}

const fn alteration(class: Class, name: &'static str, sentence: &'static str) -> Alteration {
    let about = About::new(Service::Postgres, name, class, sentence);
    let (plant, fix) = ("SELECT 1", Fix::Tables("ALL"));
    Alteration { about, plant, act: "", own: None, look: "", undo: None, fix, inherent: Inherent::Never }
}

pub(super) static INSERT: Alteration = Alteration {
    act: "INSERT INTO {schema}.bulkhead_canary VALUES ('{token}')",
    look: "SELECT count(*) FROM {schema}.bulkhead_canary WHERE token = '{token}'",
    fix: Fix::Tables("INSERT"),
    ..alteration(
        Class::Write,
        "postgres.insert-foreign-row",
        "Connects to the neighbour's database and inserts a row into a table of the neighbour's.",
    )
};
/// Without a condition on a column: that would need the privilege to select as well.
pub(super) static UPDATE: Alteration = Alteration {
    plant: "DELETE FROM {schema}.bulkhead_updated; INSERT INTO {schema}.bulkhead_updated VALUES ('planted')",
    act: "UPDATE {schema}.bulkhead_updated SET token = '{token}'",
    look: "SELECT token FROM {schema}.bulkhead_updated",
    fix: Fix::Tables("UPDATE"),
    ..alteration(
        Class::Write,
        "postgres.update-foreign-rows",
        "Changes every row of a table of the neighbour's.",
    )
};
pub(super) static ADVANCE: Alteration = Alteration {
    act: "SELECT nextval((quote_ident({'schema'}) || '.bulkhead_advanced')::regclass)",
    look: "SELECT last_value || ' ' || is_called FROM {schema}.bulkhead_advanced",
    fix: Fix::Say("REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {mine}, PUBLIC"),
    ..alteration(
        Class::Write,
        "postgres.advance-foreign-sequence",
        "Takes numbers from a sequence of the neighbour's, so that its own have gaps.",
    )
};
pub(super) static WRITE_OBJECT: Alteration = beyond_slices(Alteration {
    plant: "SELECT lo_put({lo:written}, 0, '\\x00')",
    act: "SELECT lo_put({lo:written}, 0, '\\x01')",
    look: "SELECT encode(lo_get({lo:written}), 'hex')",
    fix: Fix::Say("REVOKE ALL ON LARGE OBJECT {lo:written} FROM {mine}, PUBLIC"),
    ..alteration(
        Class::Write,
        "postgres.write-foreign-large-object",
        "Writes into a large object of the neighbour's.",
    )
});
/// On its own side the tenant puts the table where its own unqualified names look first.
pub(super) static CAPTURE: Alteration = beyond_slices(Alteration {
    // A fault may have kept an earlier attempt from undoing what it did.
    plant: "DROP TABLE IF EXISTS {schema}.bulkhead_bait",
    act: "CREATE TABLE public.bulkhead_bait ()",
    own: Some(("CREATE TABLE {schema}.bulkhead_bait ()", "DROP TABLE {schema}.bulkhead_bait")),
    look: "SELECT to_regclass('bulkhead_bait') IS NOT NULL",
    undo: Some("DROP TABLE public.bulkhead_bait"),
    fix: Fix::Say("REVOKE CREATE ON SCHEMA public FROM {mine}, PUBLIC"),
    ..alteration(
        Class::Write,
        "postgres.capture-search-path",
        "Puts a table where the neighbour's unqualified names look for one.",
    )
});
pub(super) static DELETE: Alteration = Alteration {
    plant: "DELETE FROM {schema}.bulkhead_doomed; INSERT INTO {schema}.bulkhead_doomed VALUES ('doomed')",
    act: "DELETE FROM {schema}.bulkhead_doomed",
    look: "SELECT count(*) FROM {schema}.bulkhead_doomed",
    fix: Fix::Tables("DELETE"),
    ..alteration(
        Class::Delete,
        "postgres.delete-foreign-rows",
        "Connects to the neighbour's database and deletes every row of a table of the neighbour's.",
    )
};
pub(super) static UNLINK: Alteration = beyond_slices(Alteration {
    plant: "SELECT lo_create({lo:unlinked}) \
            WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = {lo:unlinked})",
    act: "SELECT lo_unlink({lo:unlinked})",
    look: "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = {lo:unlinked}",
    fix: Fix::Say("ALTER LARGE OBJECT {lo:unlinked} OWNER TO {role}"),
    ..alteration(
        Class::Delete,
        "postgres.delete-foreign-large-object",
        "Unlinks a large object of the neighbour's.",
    )
});
pub(super) static ADVISE: Alteration = Alteration {
    act: "SELECT pg_try_advisory_lock({number})",
    look: "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
           WHERE locktype = 'advisory' AND objid = {number} AND datname = current_database()",
    undo: Some("SELECT pg_advisory_unlock({number})"),
    fix: Fix::Say("REVOKE CONNECT ON DATABASE {database} FROM {mine}, PUBLIC"),
    inherent: Inherent::Together(
        "advisory locks are numbers that a whole database shares, in every version: an app that takes one can wait \
         for a neighbour's for ever; a database for each tenant closes it",
    ),
    ..alteration(
        Class::Exhaust,
        "postgres.hold-advisory-lock",
        "Holds an advisory lock in the neighbour's database, for which the neighbour would wait.",
    )
};

impl Probe for Alteration {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        self.fix.text(pair)
    }

    fn inherent(&self, pair: &Pair<'_>, _server: &str) -> Option<String> {
        self.inherent.why(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.postgres().await?;
            let fill = |template| fill(template, pair, side, self.about.name);
            let (act, undo) = match (side, self.own) {
                (Side::Own, Some((act, undo))) => (act, Some(undo)),
                _ => (self.act, self.undo),
            };
            ground.as_owner(side, fill(self.plant)).await?;
            let before = ground.as_owner(side, fill(self.look)).await?;
            let answer = ground.ask(pair, side, At::Theirs, &fill(act), Ask::Done).await;
            let seen = match ground.as_owner(side, fill(self.look)).await {
                Ok(after) => before.zip(after).map(|(before, after)| Ok(before != after)),
                Err(error) => Some(Err(error)),
            };
            if let Some(undo) = undo.filter(|_| answer.worked()) {
                // Whether this works too says nothing about the neighbour: what is left belongs to the pair.
                let _undone = ground.ask(pair, side, At::Theirs, &fill(undo), Ask::Done).await;
            }
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
