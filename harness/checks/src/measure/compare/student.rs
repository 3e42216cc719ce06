//! Student's distribution of few observations, by the finite series for whole degrees of freedom (Abramowitz and Stegun,
//! Handbook of Mathematical Functions, 26.7.3 and 26.7.4).

/// Halvings of the range in which a quantile is looked for: nine digits behind the point are left.
const STEPS: usize = 60;

/// The greatest quantile that is told apart; that of one degree and one in a thousand million is below it.
const MOST: f64 = 1e9;

/// The number which the amount of Student's variable exceeds in a share `alpha` of all cases.
pub(super) fn two_sided(alpha: f64, degrees: u32) -> f64 {
    let (mut low, mut high) = (0.0, MOST);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if 1.0 - within(middle, degrees) > alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// How likely its amount is below `t`.
fn within(t: f64, degrees: u32) -> f64 {
    let degrees = degrees.max(1);
    let angle = (t / f64::from(degrees).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    // Each term is the one before it, times the next even number over the next odd one, or the other way round.
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    let mut next = if odd { 2 } else { 1 };
    while next + 3 <= degrees {
        term *= cosine * cosine * f64::from(next) / f64::from(next + 1);
        sum += term;
        next += 2;
    }
    if odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // Table 26.10 there.
        for (alpha, degrees, wanted) in [
            (0.05, 1, 12.706),
            (0.05, 2, 4.303),
            (0.05, 3, 3.182),
            (0.05, 5, 2.571),
            (0.01, 4, 4.604),
            (0.01, 10, 3.169),
            (0.002, 7, 4.785),
            (0.05, 30, 2.042),
        ] {
            let found = two_sided(alpha, degrees);
            assert!((found - wanted).abs() < 6e-4, "{alpha} of {degrees}: {found}, not {wanted}");
        }
        assert!((two_sided(0.05, 10_000) - 1.960).abs() < 1e-3);
    }
}
