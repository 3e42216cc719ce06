//! The routes for proxies and toxics: what a request asks for, in Toxiproxy's order of checks.

use hyper::{Method, Request, StatusCode, body::Incoming};

use super::{
    Api,
    answer::{self, Answer},
    body,
    decode::{self, ProxyBody, Remarks, ToxicBody},
    encode, json, parsed,
};
use crate::{error::Error, proxies::Populated, spec::ToxicSpec};

/// Asks `/populate` to apply `enabled` to proxies that are there already: an extension.
const APPLY_ENABLED: &str = "apply=enabled";

impl Api {
    pub(super) fn all(&self) -> Answer {
        Answer::json(StatusCode::OK, encode::proxies(&self.proxies.all(), self.options.exact))
    }

    pub(super) async fn create(
        &self,
        request: Request<Incoming>,
        remarks: &mut Remarks,
    ) -> Result<Answer, Error> {
        let body = body(request).await?;
        let spec = ProxyBody::read(parsed(&body)?, remarks)?.spec(None, remarks)?;
        let view = self.proxies.create(spec).await?;
        Ok(Answer::json(StatusCode::CREATED, encode::proxy(&view, self.options.exact)))
    }

    /// Its refusals have another form than all others.
    pub(super) async fn populate(&self, request: Request<Incoming>, remarks: &mut Remarks) -> Answer {
        let populated = match self.populated(request, remarks).await {
            Ok(populated) => populated,
            Err(error) => Populated { proxies: Vec::new(), error: Some(error) },
        };
        let proxies = ("proxies", encode::populated(&populated.proxies, self.options.exact));
        match &populated.error {
            None => Answer::json(StatusCode::CREATED, json::object([proxies])),
            Some(error) => {
                let members = answer::error_members(error).into_iter().chain([proxies]);
                Answer::json(answer::status(error), json::object(members))
            }
        }
    }

    async fn populated(&self, request: Request<Incoming>, remarks: &mut Remarks) -> Result<Populated, Error> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let (enable, other): (Vec<&str>, Vec<&str>) =
            query.split('&').filter(|flag| !flag.is_empty()).partition(|flag| *flag == APPLY_ENABLED);
        remarks.ignored.extend(other.into_iter().map(|flag| format!("?{flag}")));
        let body = body(request).await?;
        let specs = decode::list_of_proxies(parsed(&body)?, remarks)?;
        Ok(self.proxies.populate(specs, !enable.is_empty()).await)
    }

    pub(super) async fn proxy(
        &self,
        name: &str,
        method: &Method,
        request: Request<Incoming>,
        remarks: &mut Remarks,
    ) -> Result<Answer, Error> {
        let view = self.proxies.get(name)?;
        let view = match *method {
            Method::GET => view,
            Method::DELETE => {
                self.proxies.delete(name).await?;
                return Ok(Answer::empty(StatusCode::NO_CONTENT));
            }
            _ => {
                let body = body(request).await?;
                let change = ProxyBody::read(parsed(&body)?, remarks)?.change(remarks)?;
                self.proxies.change(name, change).await?
            }
        };
        Ok(Answer::json(StatusCode::OK, encode::proxy(&view, self.options.exact)))
    }

    pub(super) async fn toxics(
        &self,
        proxy: &str,
        method: &Method,
        request: Request<Incoming>,
        remarks: &mut Remarks,
    ) -> Result<Answer, Error> {
        self.proxies.exists(proxy)?;
        if method == Method::GET {
            let view = self.proxies.get(proxy)?;
            return Ok(Answer::json(StatusCode::OK, encode::toxics(&view.toxics)));
        }
        let body = body(request).await?;
        let toxic = ToxicBody::read(parsed(&body)?, remarks)?;
        let taken = |name: &str| self.proxies.toxic(proxy, name).is_ok_and(|toxic| toxic.is_some());
        let spec = toxic.spec(taken, remarks)?;
        Ok(shown(&self.proxies.add_toxic(proxy, spec).await?))
    }

    pub(super) async fn toxic(
        &self,
        proxy: &str,
        name: &str,
        method: &Method,
        request: Request<Incoming>,
        remarks: &mut Remarks,
    ) -> Result<Answer, Error> {
        let toxic = self.proxies.toxic(proxy, name)?.ok_or(Error::ToxicNotFound)?;
        match *method {
            Method::GET => Ok(shown(&toxic)),
            Method::DELETE => {
                self.proxies.remove_toxic(proxy, name).await?;
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            _ => {
                let body = body(request).await?;
                let json = parsed(&body)?;
                // What it is now: another change may have come while the body did.
                let change = |old: &ToxicSpec| decode::toxic_change(json, old, remarks);
                Ok(shown(&self.proxies.change_toxic_with(proxy, name, change).await?))
            }
        }
    }
}

fn shown(toxic: &ToxicSpec) -> Answer {
    Answer::json(StatusCode::OK, encode::toxic(toxic))
}
