//! What S3 answered, and what that says about isolation.

use bulkhead_model::Outcome;

/// Refusals that are about the caller's own credentials or clock: they say nothing about the neighbour's slice.
const BROKEN_CLIENT: [&str; 5] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
    "ExpiredToken",
    "AuthorizationHeaderMalformed",
];

/// How the answer begins where the server has no such call.
pub(super) const UNSERVED: &str = "not served: ";

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
    /// Why it is not all of the body, if so.
    broke: Option<String>,
}

impl Reply {
    pub(super) fn new(status: u16, headers: Vec<(String, String)>, body: String) -> Self {
        Self { status, headers, body, broke: None }
    }

    /// The same when nothing of the body came but this, for that reason.
    pub(super) fn broken_off(self, why: String) -> Self {
        Self { broke: Some(why), ..self }
    }

    /// The answer when it is all there.
    ///
    /// # Errors
    /// Why its body broke off: then nobody knows what it holds.
    pub(super) fn whole(self) -> Result<Self, String> {
        match &self.broke {
            None => Ok(self),
            Some(why) => Err(format!("{}, and then its body broke off: {why}", self.status)),
        }
    }

    /// The text of the first element of that name.
    pub(super) fn element(&self, name: &str) -> Option<&str> {
        self.elements(name).next()
    }

    /// What is inside the elements of that name.
    pub(super) fn elements<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        inside(&self.body, name)
    }

    /// The header of that name, in lower case; empty when it did not come.
    pub(super) fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The id of the version that was made, of a delete marker as well.
    pub(super) fn version(&self) -> String {
        self.header("x-amz-version-id")
    }

    /// The id of the upload that was begun; empty when none was.
    pub(super) fn begun(&self) -> String {
        let begun = self.body.contains("<InitiateMultipartUploadResult");
        self.element("UploadId").filter(|_| begun).unwrap_or_default().to_owned()
    }

    /// The entity tag of what was sent.
    pub(super) fn etag(&self) -> String {
        self.header("etag")
    }

    /// The error's code. Some errors are found out after the head of a success has gone.
    fn code(&self) -> Option<&str> {
        let late = self.status < 300 && self.body.contains("<Error>");
        (late || self.status >= 300).then(|| self.element("Code").unwrap_or_default())
    }

    /// What it says about isolation: refused, not there, worked, or nothing at all.
    pub(super) fn outcome(&self) -> Outcome {
        let Some(code) = self.code() else { return Outcome::Allowed };
        match self.status {
            _ if self.is_about_the_client() => Outcome::Unknown,
            403 | 501 => Outcome::Denied,
            404 => Outcome::Invisible,
            ..300 if code == "AccessDenied" => Outcome::Denied,
            _ => Outcome::Unknown,
        }
    }

    /// The outcome of a request that only a refusal keeps back: any other answer is one of somebody let through, and be
    /// it that the request makes no sense.
    pub(super) fn outcome_of_anything_told(&self) -> Outcome {
        match self.outcome() {
            Outcome::Denied => Outcome::Denied,
            _ if self.is_about_the_client() || self.status >= 500 => Outcome::Unknown,
            _ => Outcome::Allowed,
        }
    }

    /// Whether the signature does not hold.
    pub(super) fn is_forged(&self) -> bool {
        self.code() == Some("SignatureDoesNotMatch")
    }

    fn is_about_the_client(&self) -> bool {
        self.is_capped() || self.code().is_some_and(|code| BROKEN_CLIENT.contains(&code))
    }

    /// A spending cap is answered with 403 as well, and says nothing about whose slice it is.
    fn is_capped(&self) -> bool {
        self.status == 403 && self.element("Message").is_some_and(|text| text.contains("cap exceeded"))
    }

    /// Status, and code and message of an error, which name nothing that was asked for.
    pub(super) fn refusal(&self) -> String {
        let unserved = if self.status == 501 { UNSERVED } else { "" };
        let message = self.element("Message").unwrap_or("no message");
        format!("{unserved}{} {}: {message}", self.status, self.code().unwrap_or_default())
    }

    /// Everything that was received, an error in short unless the canary is in it.
    pub(super) fn received(&self, canary: &str) -> String {
        let all = self.all();
        let refused = self.code().is_some_and(|code| !code.is_empty() || self.body.is_empty());
        if refused && !all.contains(canary) { self.refusal() } else { all }
    }

    /// Status, the body's text and the headers.
    fn all(&self) -> String {
        let mut text = format!("{} {}", self.status, plain(&self.body));
        for (name, value) in &self.headers {
            text.push_str(&format!(" {name}={value}"));
        }
        text
    }
}

/// What is inside the elements of that name in a piece of XML. None of those that matter holds one of its own name.
pub(super) fn inside<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (text, further) = after.split_once(&close)?;
        rest = further;
        Some(text)
    })
}

/// XML without its elements' names, which are the same in all answers; anything else as it is.
fn plain(body: &str) -> String {
    if !body.starts_with("<?xml") {
        return body.to_owned();
    }
    let texts = body.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text.trim());
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Service;

    use super::*;
    use crate::probes::finding::tests::an_error_leaks_what_it_quotes;

    fn reply(status: u16, code: &str, message: &str) -> Reply {
        let body =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Reply::new(status, vec![(String::from("x-amz-id"), String::from("7"))], body)
    }

    #[test]
    fn what_an_answer_says() {
        use Outcome::{Allowed, Denied, Invisible, Unknown};
        let whole = Reply::new(200, Vec::new(), String::from("<Error> is what the object holds, not"));
        assert_eq!(whole.outcome(), Unknown, "an answer that looks like an error is none");
        let table = [
            (reply(403, "AccessDenied", "not entitled"), Denied, Denied),
            (reply(403, "SignatureDoesNotMatch", ""), Unknown, Unknown),
            (reply(403, "AccessDenied", "Cannot upload files, storage cap exceeded."), Unknown, Unknown),
            (reply(404, "NoSuchKey", ""), Invisible, Allowed),
            (reply(400, "MalformedXML", ""), Unknown, Allowed),
            (reply(409, "BucketNotEmpty", ""), Unknown, Allowed),
            (reply(501, "NotImplemented", ""), Denied, Denied),
            (reply(503, "SlowDown", ""), Unknown, Unknown),
            (reply(200, "AccessDenied", "not entitled"), Denied, Denied),
            (Reply::new(204, Vec::new(), String::new()), Allowed, Allowed),
            (Reply::new(403, Vec::new(), String::new()), Denied, Denied),
        ];
        for (reply, outcome, told) in table {
            assert_eq!(reply.outcome(), outcome, "{reply:?}");
            assert_eq!(reply.outcome_of_anything_told(), told, "{reply:?}");
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        let reply = reply(200, "", "");
        assert!(reply.clone().whole().is_ok());
        let why = reply.broken_off(String::from("connection reset")).whole().unwrap_err();
        assert_eq!(why, "200, and then its body broke off: connection reset");
    }

    #[test]
    fn elements_are_found_inside_elements() {
        let xml = "<V><Key>a</Key></V><D><Key>b</Key></D><D><Key>c</Key></D><D>";
        assert_eq!(inside(xml, "Key").collect::<Vec<_>>(), ["a", "b", "c"]);
        let of_d: Vec<_> = inside(xml, "D").flat_map(|d| inside(d, "Key")).collect();
        assert_eq!(of_d, ["b", "c"]);
    }

    #[test]
    fn an_error_that_quotes_the_neighbour_is_a_leak() {
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchKey"), (409, "BucketAlreadyExists")] {
            let read = |reply: Reply, canary: &str| (reply.outcome(), reply.received(canary));
            an_error_leaks_what_it_quotes(Service::S3, |text, canary| {
                read(reply(status, code, text), canary)
            });
            an_error_leaks_what_it_quotes(Service::S3, |text, canary| {
                let mut reply = reply(status, code, "no");
                reply.headers.push((String::from("x-amz-resource"), text.to_owned()));
                read(reply, canary)
            });
        }
    }

    #[test]
    fn an_error_is_short_unless_it_gives_something_away() {
        let refused = reply(403, "AccessDenied", "not entitled");
        assert_eq!(refused.received("cafe"), "403 AccessDenied: not entitled");
        let telling = reply(404, "NoSuchKey", "no cafe");
        assert_eq!(telling.received("cafe"), "404 NoSuchKey no cafe x-amz-id=7");
        let empty = Reply::new(403, Vec::new(), String::new());
        assert_eq!(empty.received("cafe"), "403 : no message");
    }
}
