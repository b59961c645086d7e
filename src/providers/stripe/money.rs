//! Amounts for display.
//!
//! Stripe counts money in the currency's minor unit, as a whole number. The number of decimals
//! follows Stripe's page on supported currencies (<https://docs.stripe.com/currencies>), not ISO
//! 4217: what matters is how Stripe counts.

use std::fmt;

/// Currencies without a minor unit. The page also lists UGX here; see below.
const WITHOUT_DECIMALS: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];

/// Currencies whose minor unit is a thousandth.
const WITH_THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// The number of decimals of amounts in this currency.
///
/// Two for every other currency, including the page's special cases: ISK and UGX no longer have a
/// minor unit but are still counted in hundredths that are always `00` (500 is 5 UGX); HUF and TWD
/// are counted in hundredths and only paid out whole.
pub(super) fn decimals(currency: &str) -> u8 {
    if WITHOUT_DECIMALS.contains(&currency) {
        0
    } else if WITH_THREE_DECIMALS.contains(&currency) {
        3
    } else {
        2
    }
}

/// An amount with its currency, such as `121.00 AUD`.
pub(super) struct Money<'a> {
    /// In minor units; not negative.
    pub(super) amount: i64,
    pub(super) currency: &'a str,
}

impl fmt::Display for Money<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currency = self.currency.to_ascii_uppercase();
        let decimals = decimals(self.currency);
        let unit = 10_i64.pow(u32::from(decimals));
        let (whole, rest) = (self.amount / unit, self.amount % unit);
        match usize::from(decimals) {
            0 => write!(f, "{whole} {currency}"),
            width => write!(f, "{whole}.{rest:0width$} {currency}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_displayed_as_stripe_counts_it() {
        for (amount, currency, shown) in [
            (12_100, "aud", "121.00 AUD"),
            (5, "usd", "0.05 USD"),
            (0, "eur", "0.00 EUR"),
            (500, "jpy", "500 JPY"),
            (5_120, "kwd", "5.120 KWD"),
            (7, "tnd", "0.007 TND"),
            (500, "isk", "5.00 ISK"),
            (500, "ugx", "5.00 UGX"),
            (1_045, "huf", "10.45 HUF"),
            (i64::MAX, "krw", "9223372036854775807 KRW"),
        ] {
            assert_eq!(Money { amount, currency }.to_string(), shown);
        }
    }
}
