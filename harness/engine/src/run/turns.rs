//! Which case begins next: the first of those that wait for which there is room, so that one that has to wait for a server
//! which others use, or which others broke, keeps nobody waiting who does not.
//!
//! The keeper would let it wait all the same; here it takes no place meanwhile.

use std::collections::{BTreeMap, VecDeque};

use bulkhead_model::Service;

/// What a case takes while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Of the places that there are.
    pub(super) places: usize,
    /// Where it has slices.
    pub(super) services: Vec<Service>,
    /// Where nobody else may have any.
    pub(super) alone: Vec<Service>,
}

impl Claim {
    /// Whether both may run at once.
    fn goes_with(&self, other: &Self) -> bool {
        let apart =
            |one: &Self, other: &Self| one.alone.iter().all(|service| !other.services.contains(service));
        apart(self, other) && apart(other, self)
    }
}

/// Those who wait, in order, and what those take who run.
#[derive(Debug)]
pub(super) struct Turns<T> {
    places: usize,
    waiting: VecDeque<(Claim, T)>,
    running: BTreeMap<usize, Claim>,
    begun: usize,
}

impl<T> Turns<T> {
    pub(super) fn new(places: usize, waiting: impl IntoIterator<Item = (Claim, T)>) -> Self {
        Self { places, waiting: waiting.into_iter().collect(), running: BTreeMap::new(), begun: 0 }
    }

    /// Who begins now, and the number to say when it is over; none as long as there is no room for any of them.
    pub(super) fn next(&mut self) -> Option<(usize, T)> {
        let taken: usize = self.running.values().map(|claim| claim.places).sum();
        let room = |claim: &Claim| {
            let others = self.running.values().all(|other| claim.goes_with(other));
            // Who wants more than there is has all of it.
            others && (self.running.is_empty() || taken.saturating_add(claim.places) <= self.places)
        };
        let at = self.waiting.iter().position(|(claim, _)| room(claim))?;
        let (claim, who) = self.waiting.remove(at)?;
        self.begun += 1;
        self.running.insert(self.begun, claim);
        Some((self.begun, who))
    }

    /// That one is over.
    pub(super) fn over(&mut self, number: usize) {
        self.running.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::subsequence};

    use super::*;

    fn claim(places: usize, services: &[Service], alone: &[Service]) -> Claim {
        Claim { places, services: services.to_vec(), alone: alone.to_vec() }
    }

    #[test]
    fn who_waits_for_a_server_lets_others_go_first_and_has_its_turn() {
        let (shared, alone) =
            (claim(1, &[Service::Redis], &[]), claim(1, &[Service::Redis], &[Service::Redis]));
        let cases = [(shared.clone(), 1), (alone, 2), (shared, 3), (claim(1, &[Service::S3], &[]), 4)];
        let mut turns = Turns::new(8, cases);
        assert_eq!(turns.next(), Some((1, 1)));
        assert_eq!(turns.next(), Some((2, 3)), "2 wants Redis to itself");
        assert_eq!(turns.next(), Some((3, 4)));
        turns.over(1);
        assert_eq!(turns.next(), None, "3 still has slices there");
        turns.over(2);
        assert_eq!(turns.next(), Some((4, 2)));
    }

    #[test]
    fn who_wants_more_places_than_there_are_goes_alone() {
        let mut turns = Turns::new(1, [(claim(2, &[], &[]), 1), (claim(1, &[], &[]), 2)]);
        assert_eq!(turns.next(), Some((1, 1)));
        assert_eq!(turns.next(), None);
        turns.over(1);
        assert_eq!(turns.next(), Some((2, 2)));
    }

    fn claims() -> impl Strategy<Value = Vec<Claim>> {
        let services = subsequence(Service::ALL.to_vec(), 0..=4);
        let claim = services.prop_flat_map(|services| {
            let alone = subsequence(services.clone(), 0..=services.len());
            (1..=4_usize, Just(services), alone)
        });
        vec(claim.prop_map(|(places, services, alone)| Claim { places, services, alone }), 0..30)
    }

    proptest! {
        /// Whoever ends first: everybody has one turn, nobody runs beside whom it cannot run with, no place is given twice,
        /// and without rivals the order is kept.
        #[test]
        fn everybody_has_one_turn_and_none_beside_whom_it_cannot_run_with(
            places in 1..9_usize,
            claims in claims(),
            ends in vec(any::<prop::sample::Index>(), 60),
        ) {
            let mut turns = Turns::new(places, claims.iter().cloned().enumerate().map(|(who, claim)| (claim, who)));
            let (mut running, mut order) = (Vec::<(usize, usize)>::new(), Vec::new());
            let mut ends = ends.iter().cycle();
            loop {
                while let Some((number, who)) = turns.next() {
                    for (_, other) in &running {
                        prop_assert!(claims[who].goes_with(&claims[*other]));
                    }
                    running.push((number, who));
                    order.push(who);
                    let taken: usize = running.iter().map(|(_, who)| claims[*who].places).sum();
                    prop_assert!(taken <= places || running.len() == 1);
                }
                if running.is_empty() {
                    break;
                }
                let end = ends.next().map_or(0, |end| end.index(running.len()));
                turns.over(running.swap_remove(end).0);
            }
            let rivals = claims.iter().any(|claim| !claim.alone.is_empty() || claim.places > 1);
            if !rivals {
                prop_assert!(order.is_sorted());
            }
            order.sort_unstable();
            prop_assert_eq!(order, (0..claims.len()).collect::<Vec<_>>());
        }
    }
}
