//! Statements as tables write them, with names in braces that stand for something of the pair's.

use sha2::{Digest, Sha256};

use crate::probes::{Pair, Side};

/// The statement that the template means on the side: `{schema}`, `{database}` and `{role}` are the side's, `{home}` and
/// `{mine}` the probing tenant's own schema and role, each quoted as an identifier, or as a text where the name in the
/// braces is quoted. `{token}` and `{number}` are what only this probe writes, the number in this pair alone, because a lock
/// may outlast the client that took it. `{lo:…}` is a large object of the side's.
pub(super) fn fill(template: &str, pair: &Pair<'_>, side: Side, probe: &str) -> String {
    let slice = &pair.tenant(side).slices.postgres;
    let owner = pair.owner(side);
    let role = owner.map_or(pair.to.name.as_str(), |owner| owner.connections.postgres.user.as_str());
    let mine = pair.from.connections.postgres.user.as_str();
    let home = pair.from.tenant.slices.postgres.schema_or_public();
    let token = pair.token(probe);
    let drawn = pair.token(&format!("{probe} {}", pair.serial()));
    let number = i32::from_str_radix(drawn.get(..7).unwrap_or_default(), 16).unwrap_or_default();
    let mut text = template.to_owned();
    let names = [
        ("schema", slice.schema_or_public()),
        ("database", slice.database.as_str()),
        ("role", role),
        ("home", home),
        ("mine", mine),
    ];
    for (word, name) in names {
        text = text.replace(&format!("{{{word}}}"), &quoted(name));
        text = text.replace(&format!("{{'{word}'}}"), &literal(name));
    }
    for word in LARGE_OBJECTS {
        text = text.replace(&format!("{{lo:{word}}}"), &large_object(role, word).to_string());
    }
    text.replace("{token}", &token).replace("{number}", &number.to_string())
}

/// The large objects that each tenant plants: one to be read, one to be written to, one to be unlinked.
const LARGE_OBJECTS: [&str; 3] = ["read", "written", "unlinked"];

/// The number of a role's large object. It is the same for every pair, because large objects have no names.
fn large_object(role: &str, word: &str) -> u32 {
    let digest = Sha256::digest(format!("bulkhead\0{role}\0{word}"));
    let [a, b, c, d, ..] = digest.as_slice() else { return 1 };
    // Never 0, which means that the server chooses.
    u32::from_be_bytes([*a, *b, *c, *d]) | 1
}

/// A name as an identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name as a text.
fn literal(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn words_stand_for_what_is_the_sides() {
        let (from, mut to) = (tenant("engine"), tenant("plane"));
        to.tenant.slices.postgres.schema = Some(String::from("pl'\"ane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let shown = |side| fill("{schema} {'schema'} {'database'} {role} {home} {mine}", &pair, side, "p");
        assert_eq!(shown(Side::Foreign), r#""pl'""ane" 'pl''"ane' 'planedb' "plane" "public" "engine""#);
        assert_eq!(shown(Side::Own), r#""public" 'public' 'enginedb' "engine" "public" "engine""#);
        let token = fill("{token}", &pair, Side::Own, "p");
        assert_eq!(token, pair.token("p"));
        assert!(fill("{number}", &pair, Side::Own, "p").parse::<i32>().is_ok_and(|number| number > 0));
    }

    #[test]
    fn large_objects_differ_by_role_and_word() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let mut all: Vec<_> = [Side::Own, Side::Foreign]
            .into_iter()
            .flat_map(|side| LARGE_OBJECTS.map(|word| fill(&format!("{{lo:{word}}}"), &pair, side, "p")))
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6, "{all:?}");
    }
}
