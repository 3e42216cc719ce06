//! SeaweedFS's IAM API, as AWS words it: a user, a policy of the same name and an access key for each key.

use async_trait::async_trait;
use aws_sdk_s3::{Client, error::DisplayErrorContext, primitives::ByteStream};
use bulkhead_model::{Secret, Service};
use hyper::StatusCode;

use crate::{
    Error,
    error::Cause,
    instance::{Instance, InstanceSpec},
    services::s3::{
        product::{self, Key, May},
        signed::{Call, Signer, form},
    },
};

/// The version of IAM's API, of which there is one.
const VERSION: &str = "2010-05-08";

/// The administrator.
pub(super) struct Admin(pub(super) Signer);

impl Admin {
    async fn make(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, Cause> {
        let (status, body) = self.ask(action, parameters).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(format!("seaweedfs answered {status} to {action}: {body}").into())
    }

    /// The same of what removes a thing, which may not be there.
    async fn unmake(&self, action: &str, parameters: &[(&str, &str)]) -> Result<(), Cause> {
        let (status, body) = self.ask(action, parameters).await?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(format!("seaweedfs answered {status} to {action}: {body}").into())
    }

    async fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Result<(StatusCode, String), Cause> {
        let named = [("Action", action), ("Version", VERSION)];
        let pairs = named.iter().chain(parameters).map(|(name, value)| (*name, (*value).to_owned()));
        let body = form(&pairs.collect::<Vec<_>>()).into_bytes();
        let call = Call { method: "POST", path: String::from("/"), query: Vec::new(), body, of: "iam" };
        let (status, body) = self.0.make(call).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn add_policy(&self, name: &str, document: &serde_json::Value) -> Result<(), Cause> {
        let document = document.to_string();
        self.make("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", &document)]).await?;
        let arn = arn(name);
        self.make("AttachUserPolicy", &[("UserName", name), ("PolicyArn", &arn)]).await.map(drop)
    }
}

fn arn(policy: &str) -> String {
    format!("arn:aws:iam:::policy/{policy}")
}

/// What stands in an answer's element.
fn element<'a>(answer: &'a str, name: &str) -> Result<&'a str, Cause> {
    let (_, rest) = answer.split_once(&format!("<{name}>")).ok_or("the answer has no key")?;
    Ok(rest.split('<').next().unwrap_or_default())
}

/// A bucket of its own, in which it shows that it serves.
const READY: &str = "bulkhead-ready";

async fn wrote_and_read(root: &Client) -> Result<(), aws_sdk_s3::Error> {
    match root.create_bucket().bucket(READY).send().await.map_err(aws_sdk_s3::Error::from) {
        Ok(_) | Err(aws_sdk_s3::Error::BucketAlreadyOwnedByYou(_)) => {}
        Err(error) => return Err(error),
    }
    root.put_object().bucket(READY).key(READY).body(ByteStream::from_static(b"ready")).send().await?;
    root.get_object().bucket(READY).key(READY).send().await?;
    Ok(())
}

#[async_trait]
impl product::Admin for Admin {
    /// It lists buckets before its volumes are there, and answers 500 to who reads then.
    async fn serves(&self, root: &Client) -> Result<(), String> {
        wrote_and_read(root).await.map_err(|error| DisplayErrorContext(error).to_string())
    }

    /// `version 8000GB 4.48 … linux amd64`.
    async fn version(&self, _spec: &InstanceSpec, instance: &Instance) -> Result<String, Error> {
        let Instance::Container(container) = instance else { return Ok(String::from("unknown")) };
        let said = container.inside().run("root", &["weed", "version"], &[]).await;
        let said = said.map_err(Error::serve(Service::S3, "ask for its version"))?;
        let mut words = said.split_whitespace().skip_while(|word| *word != "version");
        Ok(words.nth(2).unwrap_or("unknown").to_owned())
    }

    async fn admit(&self, name: &str, may: &May<'_>) -> Result<Key, Cause> {
        self.make("CreateUser", &[("UserName", name)]).await?;
        self.add_policy(name, &may.document()).await?;
        let made = self.make("CreateAccessKey", &[("UserName", name)]).await?;
        let (id, secret) = (element(&made, "AccessKeyId")?, element(&made, "SecretAccessKey")?);
        Ok(Key { id: id.to_owned(), secret: Secret::new(secret) })
    }

    async fn withdraw(&self, name: &str) -> Result<(), Cause> {
        // A policy goes once no user has it.
        self.unmake("DeleteUser", &[("UserName", name)]).await?;
        self.unmake("DeletePolicy", &[("PolicyArn", &arn(name))]).await
    }

    async fn replace(&self, name: &str, document: &serde_json::Value) -> Result<(), Cause> {
        let arn = arn(name);
        self.make("DetachUserPolicy", &[("UserName", name), ("PolicyArn", &arn)]).await?;
        self.make("DeletePolicy", &[("PolicyArn", &arn)]).await?;
        self.add_policy(name, document).await
    }
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn a_key_is_read_out_of_the_answer() {
        let answer = "<R><AccessKey><AccessKeyId>AKIA1</AccessKeyId><Status>Active</Status></AccessKey></R>";
        assert_eq!(element(answer, "AccessKeyId").unwrap(), "AKIA1");
        assert!(element(answer, "SecretAccessKey").is_err());
    }
}
