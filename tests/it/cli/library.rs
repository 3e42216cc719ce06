//! The library as an app's own tests use it.

use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_test_gets_slices_of_its_own_and_the_variables_for_its_program() {
    crate::support::ensure_now();
    let stand_ins = bulkhead::stand_ins().await.unwrap();
    let (mine, others) = (stand_ins.tenants().await.unwrap(), stand_ins.tenants().await.unwrap());
    let names: Vec<_> = mine.iter().map(bulkhead::Tenant::name).collect();
    assert_eq!(names, ["engine", "plane"]);
    assert_ne!(mine[0].connections().postgres.database, others[0].connections().postgres.database);

    // A program that knows only its environment.
    let script = r#"printf '%s|%s' "$DATABASE_URL" "$(head -c 27 "$SSL_CERT_FILE")""#;
    let output = Command::new("sh")
        .args(["-c", script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(mine[1].variables())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (url, certificate) = said.split_once('|').unwrap();
    assert_eq!(certificate, "-----BEGIN CERTIFICATE-----");
    let mut client = <sqlx::PgConnection as sqlx::Connection>::connect(url).await.unwrap();
    let (database,): (String,) =
        sqlx::query_as("select current_database()::text").fetch_one(&mut client).await.unwrap();
    assert_eq!(database, mine[1].connections().postgres.database);
    sqlx::Connection::close(client).await.unwrap();
    drop(stand_ins);
}
