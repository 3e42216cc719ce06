//! Clients of a tenant whose password is taken back: until it is given back, none of them may be answered, and at least one
//! must be told why.

use bulkhead_model::{
    Act, Ending, Found, LockoutRecord, Service, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Judgement,
    ops::{Op, ops},
    words::{deed, during_any, moment, worst},
};

/// From the place at which somebody is locked out to that at which the lockout is over.
struct Lockout<'h> {
    of: &'h LockoutRecord,
    from: usize,
    until: usize,
}

/// What becomes of those that are locked out; nothing where nobody is.
pub(super) fn judge(history: &[Event]) -> Option<Judgement> {
    let ops = ops(history);
    let judged: Vec<_> = lockouts(history).iter().map(|lockout| judge_one(history, lockout, &ops)).collect();
    (!judged.is_empty()).then(|| worst(judged))
}

/// All of them. One whose end the history does not tell lasts until that ends.
fn lockouts(history: &[Event]) -> Vec<Lockout<'_>> {
    let mut lockouts: Vec<Lockout<'_>> = Vec::new();
    for (place, event) in history.iter().enumerate() {
        match &event.kind {
            EventKind::LockedOut(of) => lockouts.push(Lockout { of, from: place, until: usize::MAX }),
            EventKind::LetIn(over) => {
                let open =
                    lockouts.iter_mut().find(|lockout| lockout.of == over && lockout.until == usize::MAX);
                open.into_iter().for_each(|lockout| lockout.until = place);
            }
            _ => {}
        }
    }
    lockouts
}

fn judge_one(history: &[Event], lockout: &Lockout<'_>, ops: &[Op<'_>]) -> Judgement {
    let LockoutRecord { service, tenant, .. } = lockout.of;
    let begun = |op: &&Op<'_>| lockout.from < op.place && op.place < lockout.until;
    let its = |op: &&Op<'_>| op.invoked.service == *service && op.invoked.tenant == *tenant;
    let tried: Vec<_> = ops.iter().filter(its).filter(begun).collect();
    let mut answered: Vec<_> = tried.iter().filter(|op| op.over < lockout.until && is_answered(op)).collect();
    answered.sort_by_key(|op| op.over);
    if let Some(op) = answered.first() {
        let at = op.ended_at().unwrap_or(op.began);
        let text = format!(
            "{} of {} operations were answered though {tenant} was locked out of {service}, at most 0 may be: {} first, by \
             {}, begun at {} and answered at {}{}",
            answered.len(),
            tried.len(),
            deed(&op.invoked.act),
            op.client(),
            moment(op.began),
            moment(at),
            during_any(history, op.began, at)
        );
        return Judgement::new(Verdict::Fail, text);
    }
    let told = tried.iter().filter_map(|op| told(*service, op)).collect::<Vec<_>>();
    match told.first() {
        Some(reason) => {
            let text = format!(
                "none of {} operations was answered while {tenant} was locked out of {service}, and {} were told: {reason}",
                tried.len(),
                told.len()
            );
            Judgement::new(Verdict::Pass, text)
        }
        None => {
            let text = format!(
                "none of {} operations was answered while {tenant} was locked out of {service}, and none was told why \
                 ({}), so nobody knows whether the server refused",
                tried.len(),
                reasons(*service).join(", ")
            );
            Judgement::new(Verdict::Unknown, text)
        }
    }
}

/// Whether the server answered, and not with a refusal. What was received before and is put on record only now is no answer,
/// nor is an acknowledgement that was written to a connection which is no more.
fn is_answered(op: &Op<'_>) -> bool {
    let received = matches!(op.invoked.act, Act::Take { .. } | Act::Hear { .. } | Act::Unasked { .. });
    let refused = matches!(op.found(), Some(Found::Answer { refused: true, .. }));
    op.outcome() == Ending::Ok && !received && !refused
}

/// The reason that it was given, if it was one for which a login is refused.
fn told(service: Service, op: &Op<'_>) -> Option<&'static str> {
    let detail = op.ended.map_or("", |(_, ended)| ended.detail.as_str());
    let failed = op.outcome() == Ending::Failed;
    reasons(service).iter().copied().find(|reason| failed && detail.contains(reason))
}

/// How a server says that it refuses a login, or what that login may not do here: PostgreSQL's messages of 28P01 and 42501,
/// which its drivers show without the code, Redis' error codes or what redis-rs makes of them, AMQP's reply texts, S3's
/// codes.
fn reasons(service: Service) -> &'static [&'static str] {
    match service {
        Service::Postgres => &["password authentication failed", "permission denied for"],
        Service::Redis => &["WRONGPASS", "Password authentication failed", "NOPERM", "NoPerm"],
        Service::Rabbitmq => &["ACCESS_REFUSED", "NOT_ALLOWED"],
        Service::S3 => &["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"],
    }
}
