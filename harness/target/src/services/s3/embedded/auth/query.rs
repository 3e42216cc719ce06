//! A request's query, read as `s3s` reads it but without its leniency: a name that comes twice is refused, so that what
//! is authorised is what is done.

use s3s::{S3Result, s3_error};

/// Names and values, decoded.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// `InvalidArgument` when a name comes twice.
    pub(crate) fn parse(text: &str) -> S3Result<Self> {
        let mut pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        pairs.sort();
        if let Some(twice) = pairs.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            let name = twice.first().map(|pair| pair.0.as_str()).unwrap_or_default();
            return Err(s3_error!(InvalidArgument, "The query parameter '{name}' was given more than once"));
        }
        Ok(Self(pairs))
    }

    /// The value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        let query = Query::parse("prefix=a%2Fb&list-type=2&delimiter").unwrap();
        assert_eq!(query.get("prefix"), Some("a/b"));
        assert_eq!(query.get("delimiter"), Some(""));
        assert_eq!(query.get("absent"), None);
        for twice in ["prefix=mine&prefix=theirs", "prefix=mine&%70refix=mine", "versionId&versionId=1"] {
            assert!(Query::parse(twice).is_err(), "{twice}");
        }
    }
}
