//! What the servers of a set are, and how one set that is asked for differs from one that runs. No I/O.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{
    S3Kind, TargetSpec,
    backends::docker::Images,
    spec::{MINIO_BIN, POSTGRES_BIN, Places, RABBITMQ_HOME, REDIS_BIN, Variable},
};

use super::wire::Failure;

/// What to do about another set than the one that is asked for.
pub const OTHER_HINT: &str = "stop them with `bulkhead down`, then `bulkhead up`, or ask for those that run";

/// What makes servers others: two specs of one kind may share a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// The images that servers run from; none when they are processes of this machine.
    pub images: Option<Images>,
    /// Which program plays S3.
    pub s3: S3Kind,
    /// The folders that were named, of those that play a part.
    pub places: Places,
}

impl Kind {
    /// What a spec asks for.
    pub fn of(spec: &TargetSpec) -> Self {
        let mut places = spec.places.clone();
        if spec.s3 != S3Kind::Minio {
            places.minio_bin = None;
        }
        if spec.images.is_some() {
            places = Places::default();
        }
        Self { images: spec.images.clone(), s3: spec.s3, places }
    }

    /// The first thing in which servers of this kind are not what is asked for.
    pub fn difference(&self, asked: &Self) -> Option<String> {
        if self.images != asked.images {
            return Some(format!("the servers run {}, not {}", how(&self.images), how(&asked.images)));
        }
        if self.s3 != asked.s3 {
            return Some(format!("S3 is played by {}, not by {}", s3_name(self.s3), s3_name(asked.s3)));
        }
        self.place(&asked.places, |_, _| true)
    }

    /// The same for a question about servers that run anyhow: only a folder that is named contradicts them, and none
    /// contradicts containers.
    pub fn contradiction(&self, asked: &Places) -> Option<String> {
        if self.images.is_some() {
            return None;
        }
        let plays = |variable| variable != MINIO_BIN || self.s3 == S3Kind::Minio;
        self.place(asked, |variable, place| place.is_some() && plays(variable))
    }

    fn place(&self, asked: &Places, counts: impl Fn(Variable, Option<&Path>) -> bool) -> Option<String> {
        let mut pairs = named(&self.places).into_iter().zip(named(asked));
        pairs.find(|((_, variable, is), (_, _, asked))| is != asked && counts(*variable, *asked)).map(
            |((service, variable, is), (_, _, asked))| {
                let (is, asked, name) = (shown(is), shown(asked), variable.name);
                format!("{service} runs from {is} and is asked for from {asked} ({name})")
            },
        )
    }
}

/// The error of whoever asks for other servers than those that run.
pub fn other(difference: &str) -> String {
    format!("other stand-ins than those that are asked for are up in this project: {difference}")
}

/// The refusal of a lease on servers of another kind. `asked` is as [`super::name::kind`] words it.
pub(super) fn refusal(spec: &TargetSpec, asked: &str) -> Failure {
    let asked: Option<Kind> = serde_json::from_str(asked).ok();
    let difference = asked.and_then(|asked| Kind::of(spec).difference(&asked));
    // A build that words it in another way asks for something that this one cannot name.
    let difference = difference.unwrap_or_else(|| String::from("another build of Bulkhead started them"));
    Failure { why: other(&difference), hint: Some(OTHER_HINT.to_owned()) }
}

fn named(places: &Places) -> [(&'static str, Variable, Option<&Path>); 4] {
    let Places { postgres_bin, redis_bin, rabbitmq_home, minio_bin } = places;
    [
        ("postgres", POSTGRES_BIN, postgres_bin.as_deref()),
        ("redis", REDIS_BIN, redis_bin.as_deref()),
        ("rabbitmq", RABBITMQ_HOME, rabbitmq_home.as_deref()),
        ("s3", MINIO_BIN, minio_bin.as_deref()),
    ]
}

fn shown(place: Option<&Path>) -> String {
    place.map_or_else(|| String::from("PATH or the usual folders"), |place| format!("`{}`", place.display()))
}

fn how(images: &Option<Images>) -> String {
    let Some(images) = images else { return String::from("as processes of this machine") };
    let named: Vec<_> = images.iter().map(|(_, image)| format!("`{image}`")).collect();
    format!("in containers of {}", named.join(", "))
}

const fn s3_name(kind: S3Kind) -> &'static str {
    match kind {
        S3Kind::Embedded => "the embedded server",
        S3Kind::Minio => "MinIO",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn kind(s3: S3Kind, redis: Option<&str>) -> Kind {
        Kind { images: None, s3, places: Places { redis_bin: redis.map(PathBuf::from), ..Places::default() } }
    }

    #[test]
    fn a_difference_names_both_places_and_the_variable() {
        let [plain, one, two] = [None, Some("/one"), Some("/two")].map(|redis| kind(S3Kind::Embedded, redis));
        assert_eq!(one.difference(&one), None);
        let said = one.difference(&two).unwrap();
        assert_eq!(said, "redis runs from `/one` and is asked for from `/two` (BULKHEAD_REDIS_BIN)");
        assert!(one.difference(&plain).unwrap().contains("asked for from PATH or the usual folders"));
        assert!(plain.difference(&one).unwrap().contains("runs from PATH or the usual folders"));
        let minio = plain.difference(&kind(S3Kind::Minio, None)).unwrap();
        assert_eq!(minio, "S3 is played by the embedded server, not by MinIO");
    }

    #[test]
    fn a_question_that_names_nothing_contradicts_nothing() {
        let [plain, one, two] = [None, Some("/one"), Some("/two")].map(|redis| kind(S3Kind::Embedded, redis));
        assert_eq!(kind(S3Kind::Minio, Some("/one")).contradiction(&plain.places), None);
        assert_eq!(one.contradiction(&one.places), None);
        assert!(one.contradiction(&two.places).is_some() && plain.contradiction(&two.places).is_some());
        let contained = TargetSpec { places: one.places, ..TargetSpec::from_env("/nowhere").unwrap() };
        let contained = Kind::of(&contained.in_containers(None, |_| None));
        assert_eq!(contained.contradiction(&two.places), None);
    }

    #[test]
    fn where_minio_is_tells_sets_apart_that_minio_plays_in() {
        let mut spec = TargetSpec::from_env("/nowhere").unwrap();
        let [[plain, embedded], [minio, other]] = [S3Kind::Embedded, S3Kind::Minio].map(|s3| {
            spec.s3 = s3;
            ["/one", "/two"].map(|folder| {
                spec.places = Places { minio_bin: Some(folder.into()), ..Places::default() };
                Kind::of(&spec)
            })
        });
        assert_eq!(plain, embedded);
        let said = minio.difference(&other).unwrap();
        assert_eq!(said, "s3 runs from `/one` and is asked for from `/two` (BULKHEAD_MINIO_BIN)");
        // A question does not say which program plays S3.
        assert!(minio.contradiction(&spec.places).is_some());
        assert_eq!(plain.contradiction(&spec.places), None);
    }

    #[test]
    fn a_refusal_says_the_difference_or_that_it_cannot() {
        let mut spec = TargetSpec::from_env("/nowhere").unwrap();
        spec.places = Places::default();
        let asked = serde_json::to_string(&kind(S3Kind::Embedded, Some("/two"))).unwrap();
        assert!(refusal(&spec, &asked).why.contains("`/two` (BULKHEAD_REDIS_BIN)"));
        assert!(refusal(&spec, "Embedded Places").why.contains("another build"));
    }
}
