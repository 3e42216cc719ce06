//! stub
/// stub
pub struct Postgres;
#[async_trait::async_trait]
impl super::StandIn for Postgres {
    fn service(&self) -> bulkhead_model::Service {
        bulkhead_model::Service::Postgres
    }
    fn find(&self, _spec: &crate::TargetSpec) -> Result<(), crate::Missing> {
        todo!()
    }
    async fn start(
        &self,
        _spec: &crate::TargetSpec,
        _place: &super::Place,
    ) -> Result<Box<dyn super::Running>, crate::Error> {
        todo!()
    }
}
