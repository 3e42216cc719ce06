//! Requests that are none for any route, answered as Go's server answers them before a route is looked for.

use hyper::{
    Method, Request, StatusCode, Version,
    header::{HOST, HeaderValue},
};

use super::answer::Answer;

/// The answer to a request that is odd in itself; nothing of one that is not.
pub(super) fn answered<B>(request: &Request<B>) -> Option<Answer> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Some(Answer::malformed()),
        (None, None) if request.version() == Version::HTTP_11 => {
            return Some(Answer::no_request("400 Bad Request: missing required Host header"));
        }
        (Some(host), None) if !is_host(host) => {
            return Some(Answer::no_request("400 Bad Request: malformed Host header"));
        }
        _ => {}
    }
    let (method, uri) = (request.method(), request.uri());
    match (method, uri.authority()) {
        (&Method::OPTIONS, _) if uri.path() == "*" => Some(Answer::empty(StatusCode::OK)),
        (&Method::CONNECT, Some(authority)) => Some(Answer::moved(&format!("//{authority}/"))),
        // A target such as `version`, without its slash.
        (_, Some(_)) if uri.scheme().is_none() => Some(Answer::malformed()),
        _ => None,
    }
}

/// Whether all of it may stand in the name of a host.
fn is_host(host: &HeaderValue) -> bool {
    let may = |byte: &u8| byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(byte);
    host.as_bytes().iter().all(may)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, target: &str, hosts: &[&str], version: Version) -> Option<StatusCode> {
        let mut request = Request::builder().method(method).uri(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        answered(&request.body(()).unwrap()).map(|answer| answer.status())
    }

    #[test]
    fn what_go_refuses_or_answers_before_any_route_is_answered_here_and_nothing_else() {
        let (get, new, old) = (Method::GET, Version::HTTP_11, Version::HTTP_10);
        let bad = Some(StatusCode::BAD_REQUEST);
        assert_eq!(status(get.clone(), "/version", &["x"], new), None);
        assert_eq!(status(get.clone(), "/version", &[""], new), None);
        assert_eq!(status(get.clone(), "http://h/version", &["x"], new), None);
        assert_eq!(status(get.clone(), "/version", &[], old), None);
        assert_eq!(status(get.clone(), "/version", &[], new), bad);
        assert_eq!(status(get.clone(), "/version", &["a b"], new), bad);
        assert_eq!(status(get.clone(), "/version", &["x", "y"], new), bad);
        assert_eq!(status(get.clone(), "version", &["x"], new), bad);
        assert_eq!(status(get, "*", &["x"], new), None);
        assert_eq!(status(Method::OPTIONS, "*", &["x"], new), Some(StatusCode::OK));
        assert_eq!(status(Method::CONNECT, "a:1", &["x"], new), Some(StatusCode::MOVED_PERMANENTLY));
    }
}
