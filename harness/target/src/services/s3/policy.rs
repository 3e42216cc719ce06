//! What a tenant's key may do, as a policy document says it. MinIO reads it as AWS does; so do others, more or less.

use bulkhead_model::{Enforcement, S3Slice};
use serde_json::{Value, json};

/// The policy of the key of a slice, `buckets` being those of all tenants of its topology.
pub(super) fn of(slice: &S3Slice, buckets: &[String], enforcement: Enforcement) -> Value {
    match enforcement {
        Enforcement::Enforced => {
            document(std::slice::from_ref(&slice.bucket), slice.prefix.as_deref().unwrap_or_default())
        }
        Enforcement::Convention => document(buckets, ""),
    }
}

/// Reading and writing objects below `prefix` in each of `buckets`, and listing no more than that.
///
/// `StringLike` asks for a prefix to be given: a listing without one is refused where a prefix is the fence.
fn document(buckets: &[String], prefix: &str) -> Value {
    let on = |rest: &str| buckets.iter().map(|name| format!("arn:aws:s3:::{name}{rest}")).collect::<Vec<_>>();
    let list = if prefix.is_empty() {
        json!({
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
            "Resource": on(""),
        })
    } else {
        // MinIO has no condition for the list of unfinished uploads, which would show every tenant's.
        json!({
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
            "Resource": on(""),
            "Condition": { "StringLike": { "s3:prefix": [format!("{prefix}*")] } },
        })
    };
    // Settings of a bucket that tenants share are nobody's alone, as with a key of B2 that is limited to a prefix.
    let settings: &[&str] = match prefix {
        "" => &["s3:GetBucketLocation", "s3:GetBucketVersioning"],
        _ => &["s3:GetBucketLocation"],
    };
    json!({
        "Version": "2012-10-17",
        "Statement": [
            list,
            {
                "Effect": "Allow",
                "Action": settings,
                "Resource": on(""),
            },
            {
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject",
                    "s3:DeleteObjectVersion", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
                ],
                "Resource": on(&format!("/{prefix}*")),
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn a_prefix_fences_objects_and_listings() {
        let own = document(&["tl-shared".into()], "engine/");
        let listing = &own["Statement"][0];
        assert_eq!(listing["Condition"]["StringLike"]["s3:prefix"][0], "engine/*");
        assert!(!own.to_string().contains("ListBucketMultipartUploads"));
        assert!(!own.to_string().contains("GetBucketVersioning"));
        assert_eq!(own["Statement"][2]["Resource"][0], "arn:aws:s3:::tl-shared/engine/*");
        let whole = document(&["tl-engine".into()], "");
        assert!(whole["Statement"][0].get("Condition").is_none());
        assert_eq!(whole["Statement"][2]["Resource"][0], "arn:aws:s3:::tl-engine/*");
    }
}
