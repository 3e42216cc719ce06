//! `bulkhead env`: a tenant's environment variables, for an app that knows nothing of Bulkhead.

use anyhow::Result;
use bulkhead_model::url::{EnvFormat, render};
use bulkhead_target::keeper;
use clap::{Args, ValueEnum};

use crate::{exit, failure::Hinted, look, stand_ins, standing};

const EXAMPLES: &str = "\
Examples:
  bulkhead up --detach && eval \"$(bulkhead env --tenant engine)\"
  bulkhead env --tenant plane --format dotenv > .env
  env $(bulkhead env --tenant plane --bare --format dotenv) ./plane-api

REQUESTS_CA_BUNDLE, AWS_CA_BUNDLE and SSL_CERT_FILE are among them: what is started from that shell trusts the stand-ins'
authority and no other, so that TLS to anything else (pip's, say) fails. Use a subshell, or unset the three afterwards:
  (eval \"$(bulkhead env --tenant engine)\" && ./your-app)

The output holds passwords: of stand-ins, random, gone with them.";

/// `bulkhead env`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Env {
    /// Whose variables
    #[arg(long, value_name = "NAME")]
    tenant: String,
    /// How to write them
    #[arg(long, value_name = "FORMAT", default_value = "shell")]
    format: EnvArg,
    /// Without the tenant's prefix, for running that one app
    #[arg(long)]
    bare: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EnvArg {
    /// `export NAME='value'`, for eval
    Shell,
    /// `NAME=value`, for .env files
    Dotenv,
    /// One object
    Json,
}

impl From<EnvArg> for EnvFormat {
    fn from(arg: EnvArg) -> Self {
        match arg {
            EnvArg::Shell => Self::Shell,
            EnvArg::Dotenv => Self::Dotenv,
            EnvArg::Json => Self::Json,
        }
    }
}

impl Env {
    /// Asks the keeper of this project's stand-ins and prints.
    pub(crate) async fn run(self) -> Result<u8> {
        let spec = stand_ins::of_this_project()?;
        let Some(status) = keeper::status(&spec).await? else { return Err(stand_ins::not_up()) };
        let contradiction = status.kind.as_ref().and_then(|kind| kind.contradiction(&spec.places));
        if let Some(contradiction) = contradiction {
            return Err(standing::other(&contradiction));
        }
        let Some(access) = status.exact.iter().find(|access| access.tenant.name.as_str() == self.tenant)
        else {
            let known: Vec<_> = status.exact.iter().map(|access| access.tenant.name.as_str()).collect();
            let hint = if known.is_empty() {
                String::from("the stand-ins are still starting; ask `bulkhead status`")
            } else {
                format!("one of {}", known.join(", "))
            };
            return Err(Hinted::error(format!("the stand-ins have no tenant `{}`", self.tenant), hint));
        };
        let text = render(self.format.into(), &bulkhead::variables(access, self.bare));
        look::say(text.as_bytes())?;
        Ok(exit::PASS)
    }
}
