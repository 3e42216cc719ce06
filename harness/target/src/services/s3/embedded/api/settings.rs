//! A bucket's settings, which here are always those that a bucket of B2's is made with: private, versions kept, no rules.
//! Changing them answers `501 NotImplemented`.

use s3s::{
    S3Response, S3Result,
    dto::{
        GetBucketAclInput, GetBucketAclOutput, GetBucketCorsInput, GetBucketCorsOutput,
        GetBucketEncryptionInput, GetBucketEncryptionOutput, GetBucketLifecycleConfigurationInput,
        GetBucketLifecycleConfigurationOutput, GetObjectAclInput, GetObjectAclOutput,
        GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, Grant, Grantee, Permission, Type,
    },
    s3_error,
};

use super::{Answer, Api, buckets::owner, read::find};

/// `private`: everything for the account, nothing for anybody else.
fn private() -> Vec<Grant> {
    let account = owner();
    let grantee = Grantee {
        display_name: account.display_name,
        email_address: None,
        id: account.id,
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    vec![Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }]
}

fn there(api: &Api, bucket: &str) -> S3Result<()> {
    api.store.read_bucket(bucket, |_| Ok(()))
}

pub(super) fn acl(api: &Api, input: &GetBucketAclInput) -> Answer<GetBucketAclOutput> {
    there(api, &input.bucket)?;
    Ok(S3Response::new(GetBucketAclOutput { grants: Some(private()), owner: Some(owner()) }))
}

/// An object's is its bucket's.
pub(super) fn object_acl(api: &Api, input: &GetObjectAclInput) -> Answer<GetObjectAclOutput> {
    api.store.read_bucket(&input.bucket, |bucket| {
        find(bucket, &input.key, input.version_id.as_deref()).map(drop)
    })?;
    let output =
        GetObjectAclOutput { grants: Some(private()), owner: Some(owner()), ..GetObjectAclOutput::default() };
    Ok(S3Response::new(output))
}

pub(super) fn cors(api: &Api, input: &GetBucketCorsInput) -> Answer<GetBucketCorsOutput> {
    there(api, &input.bucket)?;
    Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"))
}

pub(super) fn lifecycle(
    api: &Api,
    input: &GetBucketLifecycleConfigurationInput,
) -> Answer<GetBucketLifecycleConfigurationOutput> {
    there(api, &input.bucket)?;
    Err(s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"))
}

pub(super) fn encryption(api: &Api, input: &GetBucketEncryptionInput) -> Answer<GetBucketEncryptionOutput> {
    there(api, &input.bucket)?;
    Err(s3_error!(
        ServerSideEncryptionConfigurationNotFoundError,
        "The server side encryption configuration was not found"
    ))
}

pub(super) fn lock(
    api: &Api,
    input: &GetObjectLockConfigurationInput,
) -> Answer<GetObjectLockConfigurationOutput> {
    there(api, &input.bucket)?;
    Err(s3_error!(
        ObjectLockConfigurationNotFoundError,
        "Object Lock configuration does not exist for this bucket"
    ))
}
