//! Headers that the server would have to obey and cannot: refused rather than ignored, in B2's words.

use hyper::HeaderMap;
use s3s::{S3Result, s3_error};

use crate::services::s3::control::Profile;

/// Headers of features that B2's S3 calls or this server lack, whatever their value.
const UNSUPPORTED: [&str; 6] = [
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-server-side-encryption-aws-kms-key-id",
];

/// Starts of names of such headers.
const UNSUPPORTED_STARTS: [&str; 3] = [
    "x-amz-grant-",
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
];

/// Refuses an operation for a header that it carries.
///
/// # Errors
/// `InvalidArgument` for tags, as B2; `NotImplemented` for the rest.
pub(super) fn check(operation: &str, headers: &HeaderMap, profile: Profile) -> S3Result<()> {
    for name in ["x-amz-tagging", "x-amz-tagging-directive"] {
        if headers.contains_key(name) {
            return Err(s3_error!(
                InvalidArgument,
                "Unsupported header '{name}' received for this API call."
            ));
        }
    }
    let conditional = headers.contains_key("if-match") || headers.contains_key("if-none-match");
    let refused_condition = match operation {
        "PutObject" | "CompleteMultipartUpload" => profile == Profile::B2 && conditional,
        "CopyObject" | "DeleteObject" => conditional,
        _ => false,
    };
    let unsupported = headers.keys().map(hyper::header::HeaderName::as_str).any(|name| {
        UNSUPPORTED.contains(&name) || UNSUPPORTED_STARTS.iter().any(|start| name.starts_with(start))
    });
    let other_than = |name, value: &str| headers.get(name).is_some_and(|given| given != value);
    let refused_value =
        other_than("x-amz-acl", "private") || other_than("x-amz-server-side-encryption", "AES256");
    if refused_condition || unsupported || refused_value {
        return Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hyper::{
        HeaderMap,
        header::{HeaderName, HeaderValue},
    };

    use super::check;
    use crate::services::s3::control::Profile;

    fn code(operation: &str, name: &'static str, value: &'static str, profile: Profile) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        check(operation, &headers, profile).err().map(|e| e.code().as_str().to_owned()).unwrap_or_default()
    }

    #[test]
    fn refused_headers() {
        let table = [
            ("PutObject", "x-amz-tagging", "", "InvalidArgument", "InvalidArgument"),
            ("PutObject", "if-none-match", "*", "NotImplemented", ""),
            ("CompleteMultipartUpload", "if-match", "\"x\"", "NotImplemented", ""),
            ("CopyObject", "if-none-match", "*", "NotImplemented", "NotImplemented"),
            ("GetObject", "if-none-match", "*", "", ""),
            ("PutObject", "x-amz-acl", "private", "", ""),
            ("PutObject", "x-amz-acl", "public-read", "NotImplemented", "NotImplemented"),
            ("PutObject", "x-amz-server-side-encryption", "AES256", "", ""),
            ("PutObject", "x-amz-server-side-encryption", "aws:kms", "NotImplemented", "NotImplemented"),
            (
                "GetObject",
                "x-amz-server-side-encryption-customer-key",
                "k",
                "NotImplemented",
                "NotImplemented",
            ),
            ("PutObject", "x-amz-checksum-crc32", "AAAAAA==", "", ""),
        ];
        for (operation, name, value, b2, s3) in table {
            assert_eq!(code(operation, name, value, Profile::B2), b2, "b2: {operation} {name}");
            assert_eq!(code(operation, name, value, Profile::S3), s3, "s3: {operation} {name}");
        }
    }
}
