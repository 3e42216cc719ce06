//! stub
/// stub
pub struct Rabbitmq;
#[async_trait::async_trait]
impl super::StandIn for Rabbitmq {
    fn service(&self) -> bulkhead_model::Service { bulkhead_model::Service::Rabbitmq }
    fn find(&self, _spec: &crate::TargetSpec) -> Result<(), crate::Missing> { todo!() }
    async fn start(&self, _spec: &crate::TargetSpec, _place: &super::Place) -> Result<Box<dyn super::Running>, crate::Error> { todo!() }
}
