//! Probes that ask one statement and read its answer, a row a statement in the files beside this one.

use bulkhead_model::{Class, Outcome, Service};

use super::{
    ground::{Ask, At},
    rights::HELLO,
    words::{fill, quoted},
};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

pub(super) struct Question {
    pub(super) about: About,
    pub(super) at: At,
    /// The statement, as [`fill`] reads it; `{pid}` is the process of the neighbour's own connection.
    pub(super) sql: &'static str,
    pub(super) ask: Ask,
    /// What is asked for the control where the same statement has no own slice to go to.
    pub(super) own: Option<(&'static str, Ask)>,
    pub(super) fix: Fix,
    pub(super) inherent: Inherent,
}

/// What closes a leak.
#[derive(Clone, Copy)]
pub(super) enum Fix {
    /// Taking this privilege on the neighbour's tables back.
    Tables(&'static str),
    /// Statements, as [`fill`] reads them.
    Say(&'static str),
}

/// Whether no setting closes it, and why.
#[derive(Clone, Copy)]
pub(super) enum Inherent {
    /// A setting does.
    Never,
    /// None does where both use one database.
    Together(&'static str),
    /// None does on one server.
    Always(&'static str),
}

impl Fix {
    pub(super) fn text(self, pair: &Pair<'_>) -> String {
        match self {
            Self::Tables(privilege) => revoke(pair, privilege),
            Self::Say(statements) => fill(statements, pair, Side::Foreign, ""),
        }
    }
}

impl Inherent {
    pub(super) fn why(self, pair: &Pair<'_>) -> Option<String> {
        let together = pair.from.tenant.slices.postgres.database == pair.to.slices.postgres.database;
        match self {
            Self::Never => None,
            Self::Together(why) => together.then(|| why.to_owned()),
            Self::Always(why) => Some(why.to_owned()),
        }
    }
}

impl Question {
    pub(super) const fn new(
        at: At,
        class: Class,
        name: &'static str,
        sql: &'static str,
        ask: Ask,
        fix: Fix,
        sentence: &'static str,
    ) -> Self {
        let about = About::new(Service::Postgres, name, class, sentence);
        Self { about, at, sql, ask, own: None, fix, inherent: Inherent::Never }
    }

    /// The same, with another statement as its control.
    pub(super) const fn own(self, sql: &'static str, ask: Ask) -> Self {
        Self { own: Some((sql, ask)), ..self }
    }

    /// The same, but no setting closes it between those who share a database.
    pub(super) const fn together(self, why: &'static str) -> Self {
        Self { inherent: Inherent::Together(why), ..self }
    }

    /// The same, but no setting closes it.
    pub(super) const fn always(self, why: &'static str) -> Self {
        Self { inherent: Inherent::Always(why), ..self }
    }

    /// The same, but the neighbour's names are enough.
    pub(super) const fn by_name(self) -> Self {
        Self { about: self.about.by_name(), ..self }
    }

    /// The same, but it reaches beyond the two slices.
    pub(super) const fn beyond_slices(self) -> Self {
        Self { about: self.about.beyond_slices(), ..self }
    }

    /// The same, but it runs by itself.
    pub(super) const fn alone(self) -> Self {
        Self { about: self.about.alone(), ..self }
    }
}

impl Probe for Question {
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
            let (sql, ask) = match (side, self.own) {
                (Side::Own, Some(own)) => own,
                _ => (self.sql, self.ask),
            };
            let sql = fill(sql, pair, side, self.about.name);
            let ground = pair.postgres().await?;
            let answer = ground.ask(pair, side, self.at, &sql, ask).await;
            // A server that was closed to everybody is closed to one's own, too.
            let closed = matches!(self.inherent, Inherent::Always(_)) && answer.outcome == Outcome::Denied;
            if side == Side::Foreign || !closed {
                return Ok(Attempt::Seen(answer));
            }
            let hello = ground.ask(pair, side, At::Home, HELLO.0, HELLO.1).await;
            let call = format!("{}, and instead {}", answer.text(), hello.call);
            Ok(Attempt::Seen(Answer { call, ..hello }))
        })
    }
}

/// The statement that takes a neighbour's grants back from the probing role, and what else lets it in.
fn revoke(pair: &Pair<'_>, privilege: &str) -> String {
    let slice = &pair.to.slices.postgres;
    let (role, schema) = (quoted(&pair.from.connections.postgres.user), quoted(slice.schema_or_public()));
    let database = quoted(&slice.database);
    let table = format!("REVOKE {privilege} ON ALL TABLES IN SCHEMA {schema} FROM {role}, PUBLIC;");
    match &slice.schema {
        None => format!("REVOKE CONNECT ON DATABASE {database} FROM {role}, PUBLIC; {table}"),
        Some(_) => format!("{table} REVOKE ALL ON SCHEMA {schema} FROM {role}, PUBLIC;"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn the_fix_names_the_role_the_database_and_the_schema() {
        let (from, mut to) = (tenant("engine"), tenant("plane"));
        let separate = revoke(&Pair::new(&from, &to, &Seed::new(1)), "SELECT");
        assert!(separate.contains(r#"CONNECT ON DATABASE "planedb" FROM "engine", PUBLIC"#), "{separate}");
        to.tenant.slices.postgres.schema = Some(String::from("pl\"ane"));
        let shared = revoke(&Pair::new(&from, &to, &Seed::new(1)), "SELECT");
        assert!(shared.contains(r#"ON SCHEMA "pl""ane" FROM "engine", PUBLIC"#), "{shared}");
        assert!(!shared.contains("CONNECT"), "both use the database: {shared}");
    }

    #[test]
    fn only_tenants_of_one_database_share_its_catalogue() {
        let (from, mut to) = (tenant("engine"), tenant("plane"));
        let why = |to: &_| Inherent::Together("shared").why(&Pair::new(&from, to, &Seed::new(1)));
        assert_eq!(why(&to), None);
        to.tenant.slices.postgres.database = String::from("enginedb");
        assert_eq!(why(&to), Some(String::from("shared")));
    }
}
