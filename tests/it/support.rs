//! Servers for tests: one started directly and owned by the test, or a session on the shared set.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bulkhead_model::Service;
use bulkhead_target::{
    Authority, TargetSpec,
    services::{self, Place, Running},
};

/// The request that every test starts from; it reads the same variables as the command does.
pub(crate) fn spec() -> TargetSpec {
    TargetSpec {
        s3: bulkhead_target::S3Kind::Embedded,
        places: bulkhead_target::spec::Places::default(),
        name: None,
        linger: Duration::from_secs(5),
        start_deadline: Duration::from_secs(60),
        executable: PathBuf::from(env!("CARGO_BIN_EXE_bulkhead")),
    }
}

/// A server that this test alone owns. It ends with the test's thread, or when this is dropped.
pub(crate) struct Direct {
    pub(crate) running: Box<dyn Running>,
    pub(crate) place: Place,
    _folder: tempfile::TempDir,
}

/// Starts one server directly, without a keeper.
pub(crate) async fn direct(service: Service) -> Direct {
    let spec = spec();
    // 0711: PostgreSQL, which will not run as root, must be able to pass through.
    let folder = tempfile::Builder::new().prefix("bulkhead-it-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let dir = folder.path().join(service.name());
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let authority = Arc::new(Authority::new().unwrap());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let place = Place {
        run: folder.path().file_name().unwrap().to_string_lossy().into_owned(),
        dir,
        authority,
        ca,
        deadline: spec.start_deadline,
        port: None,
    };
    let stand_in = services::ALL.into_iter().find(|s| s.service() == service).unwrap();
    stand_in.find(&spec).unwrap();
    let running = stand_in.start(&spec, &place).await.unwrap();
    Direct { running, place, _folder: folder }
}
