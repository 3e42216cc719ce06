//! `If-Match` and its kin, for reads, for a copy's source, and for writes.

use s3s::{
    S3Error, S3Result,
    dto::{ETag, ETagCondition, Timestamp},
    s3_error,
};

use super::{
    super::store::record::{Version, timestamp},
    etag_of,
};

/// The conditions of a read, or of a copy on its source.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub matches: Option<ETagCondition>,
    pub matches_none: Option<ETagCondition>,
    pub modified_since: Option<Timestamp>,
    pub unmodified_since: Option<Timestamp>,
}

/// The conditions of a write.
#[derive(Debug, Default)]
pub(super) struct WriteConditions {
    pub matches: Option<ETagCondition>,
    pub matches_none: Option<ETagCondition>,
}

/// What a read's conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// They hold.
    Holds,
    /// The reader has this version already: 304.
    NotModified,
    /// 412.
    Failed,
}

impl Conditions {
    /// Judges them, in the order of RFC 9110 section 13.2.2.
    pub(super) fn judge(&self, etag: &str, at: i64) -> Outcome {
        let etag = ETag::Strong(etag.to_owned());
        // HTTP dates have whole seconds, so the fraction of the stored time must not count.
        let changed = timestamp(at.div_euclid(1000).saturating_mul(1000));
        let equal = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(other) => etag.weak_cmp(other),
        };
        match (&self.matches, &self.unmodified_since) {
            (Some(condition), _) if !equal(condition) => return Outcome::Failed,
            (None, Some(since)) if changed > *since => return Outcome::Failed,
            _ => {}
        }
        match (&self.matches_none, &self.modified_since) {
            (Some(condition), _) if equal(condition) => Outcome::NotModified,
            (None, Some(since)) if changed <= *since => Outcome::NotModified,
            _ => Outcome::Holds,
        }
    }
}

impl WriteConditions {
    /// Judges them on the newest version, if there is one.
    ///
    /// # Errors
    /// `PreconditionFailed`, or `NoSuchKey` when a version was expected and there is none.
    pub(super) fn check(&self, newest: Option<&Version>) -> S3Result<()> {
        let present = newest.filter(|version| !version.is_marker());
        match &self.matches_none {
            None => {}
            Some(ETagCondition::Any) if present.is_none() => {}
            Some(ETagCondition::Any) => return Err(failed()),
            Some(ETagCondition::ETag(_)) => {
                return Err(s3_error!(
                    NotImplemented,
                    "A header you provided implies functionality that is not implemented"
                ));
            }
        }
        match (&self.matches, present) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (Some(ETagCondition::ETag(expected)), Some(version)) if etag_of(version).weak_cmp(expected) => {
                Ok(())
            }
            (Some(ETagCondition::ETag(_)), Some(_)) => Err(failed()),
        }
    }
}

/// `412`.
pub(super) fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETagCondition;

    use super::{Conditions, Outcome, timestamp};

    #[test]
    fn read_conditions() {
        let tag = |text: &str| Some(text.parse::<ETagCondition>().unwrap());
        let at = |seconds: i64| Some(timestamp(seconds * 1000));
        let none = Conditions::default;
        let table = [
            (none(), Outcome::Holds),
            (Conditions { matches: tag("\"x\""), ..none() }, Outcome::Holds),
            (Conditions { matches: tag("*"), ..none() }, Outcome::Holds),
            (Conditions { matches: tag("\"y\""), ..none() }, Outcome::Failed),
            (Conditions { matches_none: tag("\"x\""), ..none() }, Outcome::NotModified),
            (Conditions { matches_none: tag("*"), ..none() }, Outcome::NotModified),
            (Conditions { matches_none: tag("\"y\""), ..none() }, Outcome::Holds),
            (Conditions { modified_since: at(100), ..none() }, Outcome::NotModified),
            (Conditions { modified_since: at(99), ..none() }, Outcome::Holds),
            (Conditions { unmodified_since: at(100), ..none() }, Outcome::Holds),
            (Conditions { unmodified_since: at(99), ..none() }, Outcome::Failed),
            // A tag outranks a date.
            (Conditions { matches: tag("\"x\""), unmodified_since: at(99), ..none() }, Outcome::Holds),
            (Conditions { matches_none: tag("\"y\""), modified_since: at(100), ..none() }, Outcome::Holds),
            (
                Conditions { matches_none: tag("\"x\""), modified_since: at(99), ..none() },
                Outcome::NotModified,
            ),
        ];
        for (conditions, expected) in table {
            assert_eq!(conditions.judge("x", 100_900), expected, "{conditions:?}");
        }
    }
}
