//! Scores: how a policy does on labelled requests.

use serde::Serialize;

use crate::rule::Risk;

/// Counts of requests by label and verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matrix([[u32; 3]; 3]);

/// One of the error rates by which a policy is judged.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ErrorRate {
    /// What it counts.
    pub name: &'static str,
    /// How many requests are judged so.
    pub count: u32,
    /// Of how many.
    pub total: u32,
    /// The lower end of Wilson's 95% interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

// === impl Matrix ===

impl Matrix {
    /// Counts one request.
    pub fn add(&mut self, label: Risk, verdict: Risk) {
        if let Some(count) = self
            .0
            .get_mut(label as usize)
            .and_then(|row| row.get_mut(verdict as usize))
        {
            *count += 1;
        }
    }

    /// How many requests with this label got this verdict.
    pub fn get(&self, label: Risk, verdict: Risk) -> u32 {
        let row = self.0.get(label as usize);
        row.and_then(|row| row.get(verdict as usize)).copied().unwrap_or(0)
    }

    /// How many requests have this label.
    pub fn labelled(&self, label: Risk) -> u32 {
        [Risk::Green, Risk::Amber, Risk::Red]
            .iter()
            .map(|verdict| self.get(label, *verdict))
            .sum()
    }

    /// The four error rates, the gravest first.
    pub fn error_rates(&self) -> [ErrorRate; 4] {
        use Risk::{Amber, Green, Red};
        let (green, amber, red) = (self.labelled(Green), self.labelled(Amber), self.labelled(Red));
        [
            ErrorRate::new("RED as GREEN", self.get(Red, Green), red),
            ErrorRate::new("RED not RED", red - self.get(Red, Red), red),
            ErrorRate::new("AMBER as GREEN", self.get(Amber, Green), amber),
            ErrorRate::new("GREEN held", green - self.get(Green, Green), green),
        ]
    }
}

// === impl ErrorRate ===

impl ErrorRate {
    fn new(name: &'static str, count: u32, total: u32) -> Self {
        let (low, high) = wilson(count, total);
        Self {
            name,
            count,
            total,
            low,
            high,
        }
    }

    /// The share, from 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.count) / f64::from(self.total.max(1))
    }
}

/// Wilson's 95% interval for a share; of nothing, everything is possible.
fn wilson(count: u32, total: u32) -> (f64, f64) {
    if total == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (f64::from(total), 1.959_964_f64);
    let p = f64::from(count) / n;
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (
        ((centre - spread) / scale).max(0.0),
        ((centre + spread) / scale).min(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_by_label() {
        let mut matrix = Matrix::default();
        for (label, verdict) in [
            (Risk::Red, Risk::Red),
            (Risk::Red, Risk::Amber),
            (Risk::Red, Risk::Green),
            (Risk::Amber, Risk::Red),
            (Risk::Green, Risk::Amber),
        ] {
            matrix.add(label, verdict);
        }
        let rates = matrix.error_rates().map(|rate| (rate.count, rate.total));
        assert_eq!(rates, [(1, 3), (2, 3), (0, 1), (1, 1)]);
    }

    #[test]
    fn intervals_are_wilsons() {
        let (low, high) = wilson(8, 255);
        assert!(
            (low - 0.016).abs() < 0.0005 && (high - 0.0607).abs() < 0.0005,
            "{low} {high}"
        );
        let (low, high) = wilson(0, 25);
        assert!(low.abs() < 1e-9 && (high - 0.133).abs() < 0.0005, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
