//! "Environment variables configured": all seven are there, demand TLS and name what the topology gives the tenant.

use bulkhead_model::{Item, url::Connections};

use super::{ChecklistItem, Examination, Examining, NotDone};

pub(super) struct EnvConfigured;

impl ChecklistItem for EnvConfigured {
    fn item(&self) -> Item {
        Item::EnvConfigured
    }

    fn examine<'a>(&'a self, examination: &'a Examination<'a>) -> Examining<'a> {
        Box::pin(async move {
            let Examination { access, topology, variables, .. } = examination;
            let lookup = |wanted: &str| {
                variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.expose().to_owned())
            };
            let read = Connections::from_lookup(&access.tenant, topology, &lookup).map_err(|problems| {
                let texts: Vec<_> =
                    problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what)).collect();
                let hints: Vec<_> = problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
                NotDone::new(texts.join("; "), hints.join("; "))
            })?;
            if read != access.connections {
                let reason = "read back, the variables give other connections than those that exist";
                return Err(NotDone::new(reason, "print them anew with `bulkhead env` and compare"));
            }
            let names: Vec<_> = variables.iter().map(|(name, _)| name.as_str()).collect();
            let slices = &access.tenant.slices;
            Ok(format!(
                "{} variables, all with TLS: {}; they name {}, {} and {}",
                names.len(),
                names.join(", "),
                slices.postgres,
                slices.rabbitmq,
                slices.s3
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{Secret, Topology};

    use super::*;
    use crate::testing::tenant;

    async fn examined(change: impl FnOnce(&mut Vec<(String, Secret)>)) -> Result<String, NotDone> {
        let access = tenant("engine");
        let mut topology = Topology::builtin();
        topology.tenants = vec![access.tenant.clone()];
        let mut examination = Examination::new(&access, &topology, &[]);
        change(&mut examination.variables);
        EnvConfigured.examine(&examination).await
    }

    #[tokio::test]
    async fn all_seven_as_they_should_be_hold() {
        let evidence = examined(|_| {}).await.unwrap();
        assert!(evidence.starts_with("7 variables"), "{evidence}");
        assert!(!evidence.contains("password-of"), "{evidence}");
    }

    #[tokio::test]
    async fn each_missing_variable_is_named() {
        for name in Connections::VARIABLES {
            let open = examined(|variables| variables.retain(|(other, _)| other != name)).await.unwrap_err();
            assert!(open.reason.contains(name) && !open.fix.is_empty(), "{name}: {open:?}");
        }
    }

    #[tokio::test]
    async fn a_url_without_tls_or_with_the_neighbours_vhost_is_named() {
        let put = |name: &'static str, value: &'static str| {
            move |variables: &mut Vec<(String, Secret)>| {
                variables.retain(|(other, _)| other != name);
                variables.push((name.to_owned(), Secret::new(value)));
            }
        };
        let plain = examined(put("REDIS_URL", "redis://engine:canary-pw@127.0.0.1:1/0")).await.unwrap_err();
        assert!(plain.reason.contains("REDIS_URL") && !plain.reason.contains("canary-pw"), "{plain:?}");
        let vhost =
            examined(put("AMQP_URL", "amqps://engine:canary-pw@127.0.0.1:1/engine")).await.unwrap_err();
        assert!(vhost.reason.contains("slash") && !format!("{vhost:?}").contains("canary-pw"), "{vhost:?}");
    }
}
