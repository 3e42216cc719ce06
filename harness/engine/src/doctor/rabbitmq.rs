//! RabbitMQ: its greeting, a login into the vhost, a channel that is closed again. Nothing is declared.

use bulkhead_model::{Service, url::AmqpUrl};
use bulkhead_target::{Error, TenantAccess, clients};

use super::{Complaint, Seeing};

pub(super) async fn enter(access: &TenantAccess) -> Result<Seeing, Complaint> {
    let facts = clients::rabbitmq::server_facts(access).await.map_err(|error| Complaint::of(&error))?;
    let vhost = access.connections.rabbitmq.vhost.clone();
    match login(access).await {
        Ok(()) => {
            let text = format!(
                "{} {}, let into the vhost `{vhost}`, a channel opened",
                facts.product, facts.version
            );
            Ok(Seeing { text, facts: String::new() })
        }
        Err(error) => Err(with_neighbour(access, Complaint::of(&error)).await),
    }
}

async fn login(access: &TenantAccess) -> Result<(), Error> {
    let connection = clients::rabbitmq::connect(access).await?;
    let opened = connection.create_channel().await;
    // How the broker takes the farewell changes nothing. A channel that is dropped before is closed in the background, and
    // its end and the connection's get in each other's way.
    let _farewell = connection.close(200, "looked".into()).await;
    opened.map(drop).map_err(Error::serve(Service::Rabbitmq, "open a channel"))
}

/// A vhost that is refused may be there with one slash more or less: then that is said.
async fn with_neighbour(access: &TenantAccess, complaint: Complaint) -> Complaint {
    let refused = ["not found", "refused for user", "doesn't have access"];
    if !complaint.text.contains("vhost") || !refused.iter().any(|words| complaint.text.contains(words)) {
        return complaint;
    }
    let AmqpUrl { vhost, .. } = &access.connections.rabbitmq;
    let other = vhost.strip_prefix('/').map_or_else(|| format!("/{vhost}"), str::to_owned);
    let mut neighbour = access.clone();
    neighbour.connections.rabbitmq.vhost = other.clone();
    let text = match login(&neighbour).await {
        Ok(()) => {
            format!("{}; the vhost `{other}` is there and lets this user in", complaint.text)
        }
        Err(_) => complaint.text,
    };
    Complaint { text, ..complaint }
}
