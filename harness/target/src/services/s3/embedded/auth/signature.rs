//! The form of a signature: version 4, one of its kind, naming a region that fits, and covering every header that
//! matters. Whether it is right `s3s` has computed already.

use hyper::HeaderMap;
use s3s::{S3Result, s3_error};

use super::query::Query;

/// The longest that a presigned URL may live, in seconds: seven days.
const LONGEST_EXPIRY: u32 = 7 * 24 * 60 * 60;

/// What a signature says about itself.
struct Form<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    presigned: bool,
}

/// Refuses a signature for its form.
///
/// # Errors
/// `InvalidRequest` for other versions, `AccessDenied` for headers that it leaves out, and as S3 for the rest.
pub(super) fn check_form(headers: &HeaderMap, query: &Query, region: Option<&str>) -> S3Result<()> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    if query.get("Signature").is_some()
        || authorization.is_some_and(|value| !value.starts_with("AWS4-HMAC-SHA256"))
    {
        return Err(s3_error!(
            InvalidRequest,
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        ));
    }
    let form = match (authorization, query.get("X-Amz-Signature")) {
        (Some(_), Some(_)) => return Err(s3_error!(InvalidArgument, "Only one auth mechanism allowed")),
        (Some(value), None) => of_header(value),
        (None, Some(_)) => of_query(query)?,
        (None, None) => None,
    };
    let Some(form) = form else { return Err(s3_error!(AccessDenied, "The signature is incomplete")) };

    let mut scope = form.credential.split('/').skip(2);
    let (own, service) = (scope.next().unwrap_or_default(), scope.next().unwrap_or_default());
    if service != "s3" {
        return Err(s3_error!(AuthorizationHeaderMalformed, "The service in the credential must be 's3'"));
    }
    if let Some(region) = region.filter(|region| *region != own) {
        return Err(s3_error!(
            AuthorizationHeaderMalformed,
            "The authorization header is malformed; the region '{own}' is wrong; expecting '{region}'"
        ));
    }

    let signed: Vec<_> = form.signed_headers.split(';').collect();
    let must = |name: &str| name == "host" || (name.starts_with("x-amz-") && !exempt(name, form.presigned));
    let left_out = headers
        .keys()
        .map(hyper::header::HeaderName::as_str)
        .find(|name| must(name) && !signed.contains(name));
    match left_out {
        Some(name) => Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed: {name}"
        )),
        None => Ok(()),
    }
}

/// Whoever uses a presigned URL adds the body's hash, which the one who signed could not know.
fn exempt(name: &str, presigned: bool) -> bool {
    presigned && name == "x-amz-content-sha256"
}

fn of_header(value: &str) -> Option<Form<'_>> {
    let rest = value.strip_prefix("AWS4-HMAC-SHA256")?;
    let field = |name: &str| rest.split(',').find_map(|field| field.trim().strip_prefix(name));
    Some(Form {
        credential: field("Credential=")?,
        signed_headers: field("SignedHeaders=")?,
        presigned: false,
    })
}

fn of_query(query: &Query) -> S3Result<Option<Form<'_>>> {
    let seconds = query.get("X-Amz-Expires").and_then(|text| text.parse::<u32>().ok());
    if !seconds.is_some_and(|seconds| (1..=LONGEST_EXPIRY).contains(&seconds)) {
        return Err(s3_error!(
            AuthorizationQueryParametersError,
            "X-Amz-Expires must be between 1 and {LONGEST_EXPIRY} seconds"
        ));
    }
    let (credential, signed) = (query.get("X-Amz-Credential"), query.get("X-Amz-SignedHeaders"));
    Ok(credential.zip(signed).map(|(credential, signed_headers)| Form {
        credential,
        signed_headers,
        presigned: true,
    }))
}

#[cfg(test)]
mod tests {
    use hyper::{
        HeaderMap,
        header::{HeaderName, HeaderValue},
    };

    use super::{super::query::Query, check_form};

    const HEADER: &str = "AWS4-HMAC-SHA256 Credential=id/20261124/us-east-1/s3/aws4_request, \
                          SignedHeaders=host;x-amz-date, Signature=00";
    const QUERY: &str = "X-Amz-Signature=00&X-Amz-Expires=60&X-Amz-SignedHeaders=host\
                         &X-Amz-Credential=id%2F20261124%2Fus-east-1%2Fs3%2Faws4_request";

    fn code(headers: &[(&'static str, &str)], query: &str, region: Option<&str>) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let query = Query::parse(query).unwrap();
        check_form(&map, &query, region).err().map(|e| e.code().as_str().to_owned()).unwrap_or_default()
    }

    #[test]
    fn what_a_signature_must_look_like() {
        let signed = [("host", "h"), ("x-amz-date", "d"), ("authorization", HEADER)];
        assert_eq!(code(&signed, "", None), "");
        assert_eq!(code(&signed, "", Some("us-east-1")), "");
        assert_eq!(code(&signed, "", Some("eu-central-003")), "AuthorizationHeaderMalformed");
        assert_eq!(code(&signed, QUERY, None), "InvalidArgument");
        assert_eq!(code(&signed, "Signature=x", None), "InvalidRequest");
        assert_eq!(code(&[("authorization", "AWS id:c2ln")], "", None), "InvalidRequest");
        assert_eq!(code(&[("host", "h")], "", None), "AccessDenied");
        let sts = HEADER.replace("/s3/", "/sts/");
        assert_eq!(code(&[("host", "h"), ("authorization", &sts)], "", None), "AuthorizationHeaderMalformed");

        assert_eq!(code(&[("host", "h"), ("x-amz-content-sha256", "0")], QUERY, None), "");
        for seconds in ["0", "604801", "-1", "soon"] {
            let query = QUERY.replace("Expires=60", &format!("Expires={seconds}"));
            assert_eq!(
                code(&[("host", "h")], &query, None),
                "AuthorizationQueryParametersError",
                "{seconds}"
            );
        }
    }

    /// Else whoever gets hold of a presigned PUT could turn it into a copy of any object that its signer may read.
    #[test]
    fn a_header_that_matters_must_be_signed() {
        let added = [("host", "h"), ("x-amz-copy-source", "bucket/secret")];
        assert_eq!(code(&added, QUERY, None), "AccessDenied");
        let added = [("host", "h"), ("authorization", HEADER), ("x-amz-date", "d"), ("x-amz-meta-a", "b")];
        assert_eq!(code(&added, "", None), "AccessDenied");
        let unsigned_host = HEADER.replace("host;", "");
        let headers = [("host", "h"), ("x-amz-date", "d"), ("authorization", unsigned_host.as_str())];
        assert_eq!(code(&headers, "", None), "AccessDenied");
    }
}
