//! stub
pub mod embedded;
/// stub
pub struct S3;
#[async_trait::async_trait]
impl super::StandIn for S3 {
    fn service(&self) -> bulkhead_model::Service {
        bulkhead_model::Service::S3
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
