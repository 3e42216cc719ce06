//! A connection on which the proxy ends TLS, or is to show its client a fault of TLS.

use std::sync::Arc;

use tokio::net::TcpStream;

use super::{Around, DIAL, Terms, Way, dial, link, undialled::admitted};
use crate::{chain::Mark, live::Listed, tape::Effect, tls::Fault, toxics::Admission};

/// Runs it to its end. A fault that heals while it is shown closes the connection: the next one is as it should be.
pub(super) async fn run(
    client: TcpStream,
    mut ways: [Way; 2],
    listed: Listed,
    terms: Arc<Terms>,
    fault: Option<Fault>,
) {
    let upstream = &terms.place.upstream;
    let shaken = match (fault, &terms.tls) {
        (Some(fault), tls) => {
            let (around, mut said) = (Around { terms: &terms, open: &listed.open }, None);
            let by = ways.iter().find_map(|way| Some((way.direction(), way.chain().admission()?.1.clone())));
            let taken = || {
                if let Some((direction, toxic)) = by {
                    let mark = Mark { toxic, offset: 0, bytes: 0, effect: Effect::Trusted(fault.done()) };
                    terms.record(listed.open.ordinal, direction, mark);
                }
            };
            tokio::select! {
                shaken = fault.inflict(client, tls.as_ref(), upstream, dial(upstream, DIAL), taken) => shaken,
                _ = admitted(&mut ways, around, Admission::Tls(fault), &mut said) => Ok(None),
            }
        }
        (None, Some(tls)) => tls.meet(client, upstream, dial(upstream, DIAL)).await.map(Some),
        (None, None) => Ok(None),
    };
    match shaken {
        Ok(Some((client, server))) => link(client, server, ways, listed, terms).await,
        Ok(None) => {}
        Err(error) => {
            let done = fault.map(Fault::done);
            tracing::warn!(proxy = %terms.place.proxy, %upstream, fault = done, %error, "no TLS");
        }
    }
}
